import { ignoring } from '../../../shared/errors.ts';
import type { Secret, ServiceAccount } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

export const tokenSecretType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

export interface TokenSecretOptions {
  /** The token that a Secret of this name gives to the account's holders. */
  issue(account: ServiceAccount, secret: string): Promise<string>;
  /** The CA's certificate, PEM. */
  readonly certificate: string;
}

/**
 * Fills Secrets of the type kubernetes.io/service-account-token with the token of the account that their annotation names, and deletes
 * them when there is no such account (Kubernetes' tokens controller).
 */
export function createTokenSecretController(deps: ControllerDeps, options: TokenSecretOptions): Controller {
  const { client, informers } = deps;
  const secrets = informers.of('Secret');

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Secret') {
      if ((after as Secret | undefined)?.type === tokenSecretType) yield key;
      return;
    }
    const { name, namespace = '' } = (after ?? before)?.metadata ?? {};
    for (const secret of secrets.by('namespace', namespace)) {
      if (secret.type === tokenSecretType && secret.metadata.annotations?.[nameAnnotation] === name)
        yield keyOf(secret);
    }
  }

  async function reconcile(key: string): Promise<undefined> {
    const secret = secrets.get(key);
    if (secret?.type !== tokenSecretType || secret.metadata.deletionTimestamp) return;
    const { annotations = {}, namespace = '', name, uid, resourceVersion } = secret.metadata;
    const account = await accountOf(namespace, annotations);
    if (!account) {
      const preconditions = { uid, resourceVersion };
      await client.delete('Secret', name, { namespace, preconditions }).catch(ignoring('NotFound'));
      return;
    }
    const filled = await fill(secret, account);
    if (filled) await client.update('Secret', filled);
  }

  /** Informers may be behind: that there is no account is read from the API. */
  async function accountOf(namespace: string, annotations: Readonly<Record<string, string>>) {
    const { [nameAnnotation]: name = '', [uidAnnotation]: uid } = annotations;
    const isIt = (account: ServiceAccount | undefined) => account && (!uid || uid === account.metadata.uid);
    const shown = informers.of('ServiceAccount').get(`${namespace}/${name}`);
    if (isIt(shown)) return shown;
    const present = await client.get('ServiceAccount', name, namespace).catch(ignoring('NotFound'));
    return isIt(present) ? present : undefined;
  }

  /** Undefined when the Secret is complete. */
  async function fill(secret: Secret, account: ServiceAccount): Promise<Secret | undefined> {
    const { data = {}, metadata } = secret;
    const { uid, namespace = '' } = account.metadata;
    const encode = (text: string): string => Buffer.from(text).toString('base64');
    const wanted = {
      'ca.crt': encode(options.certificate),
      namespace: encode(namespace),
      token: data.token || encode(await options.issue(account, metadata.name)),
    };
    const same = Object.entries(wanted).every(([name, value]) => data[name] === value);
    if (same && metadata.annotations?.[uidAnnotation] === uid) return undefined;
    const annotations = { ...metadata.annotations, [uidAnnotation]: uid };
    return { ...secret, metadata: { ...metadata, annotations }, data: { ...data, ...wanted } };
  }

  return { name: 'token-controller', kinds: ['Secret', 'ServiceAccount'], workers: 2, keysOf, reconcile };
}
