import type { Clock } from '../../../../shared/clock.ts';
import type { Secret } from '../../../../shared/generated/types.ts';
import { parseToken } from '../../../../shared/pki/join-tokens.ts';
import { groups } from '../identity.ts';
import type { Objects } from './objects.ts';
import { isSameSecret } from './same-secret.ts';
import type { Holder, TokenReviewer } from './verdict.ts';

export interface BootstrapTokensDeps {
  readonly objects: Objects;
  readonly clock: Pick<Clock, 'now'>;
  /** Those of the API server. */
  readonly audiences: readonly string[];
}

const namespace = 'kube-system';
const secretType = 'bootstrap.kubernetes.io/token';
/** The groups that a token may have besides the group of all bootstrap tokens. */
const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/**
 * Kubernetes' bootstrap tokens (`plugin/pkg/auth/authenticator/token/bootstrap`): `ID.SECRET`, each a Secret `bootstrap-token-ID` in
 * kube-system. They are looked up in the cache only, so that guesses cost the store nothing.
 */
export class BootstrapTokens implements TokenReviewer {
  readonly #deps: BootstrapTokensDeps;

  constructor(deps: BootstrapTokensDeps) {
    this.#deps = deps;
  }

  async review(token: string, audiences: readonly string[]): Promise<Holder | undefined> {
    const parsed = parseToken(token);
    const meant = this.#deps.audiences.filter((one) => audiences.includes(one));
    if (!parsed || meant.length === 0) return undefined;
    const secret = this.#deps.objects.cached('Secret', `bootstrap-token-${parsed.id}`, namespace);
    const found = secret && goodGroups(secret, parsed, this.#deps.clock.now());
    return found && { identity: { user: `system:bootstrap:${parsed.id}`, groups: found }, audiences: meant };
  }
}

/** The groups of the token's holder; undefined when the Secret does not confirm the token. */
function goodGroups(
  { type, metadata, data = {} }: Secret,
  token: { id: string; secret: string },
  now: number,
): string[] | undefined {
  const text = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  if (metadata.deletionTimestamp || type !== secretType) return undefined;
  const secret = text('token-secret');
  if (text('token-id') !== token.id || secret === '' || !isSameSecret(secret, token.secret)) return undefined;
  const expiration = text('expiration');
  // A time that cannot be parsed counts as passed.
  if (expiration !== '' && !(Date.parse(expiration) > now)) return undefined;
  if (text('usage-bootstrap-authentication') !== 'true') return undefined;
  const extra = text('auth-extra-groups');
  const more = extra === '' ? [] : extra.split(',').map((group) => group.trim());
  if (!more.every((group) => extraGroup.test(group))) return undefined;
  return [...new Set([groups.bootstrappers, ...more])].sort();
}
