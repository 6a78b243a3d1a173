import type { Clock } from '../../../../shared/clock.ts';
import type { Secret, ServiceAccount } from '../../../../shared/generated/types.ts';
import { type Random, uuid } from '../../../../shared/random.ts';
import { quoted } from '../rbac/rules.ts';
import {
  accountIdentity,
  type Bound,
  type BoundClaims,
  boundClaims,
  type LegacyClaims,
  legacyClaims,
  legacyIssuer,
  readBoundClaims,
  readLegacyClaims,
} from './claims.ts';
import { type Claims, issuerOf, keyIdOf, signToken, verifiedClaims } from './jwt.ts';
import type { TokenKeys } from './keys.ts';
import { lookUp, type Objects } from './objects.ts';
import { isSameSecret } from './same-secret.ts';
import { type Holder, TokenFault, type TokenReviewer } from './verdict.ts';

export interface ServiceAccountTokensDeps {
  readonly keys: TokenKeys;
  /** The issuer claim, which is an audience of the API server too. */
  readonly issuer: string;
  readonly objects: Objects;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly random: Random;
}

/** The tolerated clock skew between servers (seconds), as in Kubernetes. */
const skew = 60;
/** How long a token stays valid after its object was marked as being deleted (ms). */
const deletionGraceMs = 60_000;
/** The shortest time between two reloads for an unknown key id (ms): clients can send any id. */
const reloadMs = 5_000;

export interface IssuedToken {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/**
 * The tokens of service accounts: signed by this cluster, and valid as long as the account and the object that they are bound to exist
 * (Kubernetes, `pkg/serviceaccount`).
 */
export class ServiceAccountTokens implements TokenReviewer {
  readonly issuer: string;
  readonly #deps: ServiceAccountTokensDeps;
  #reloadedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: ServiceAccountTokensDeps) {
    this.issuer = deps.issuer;
    this.#deps = deps;
  }

  /** The audiences of a token that names none. */
  get audiences(): readonly string[] {
    return [this.issuer];
  }

  get keys(): TokenKeys {
    return this.#deps.keys;
  }

  /** `life`: seconds. */
  async issue(account: ServiceAccount, bound: Bound, audiences: readonly string[], life: number): Promise<IssuedToken> {
    const { clock, random, keys } = this.#deps;
    const now = Math.floor(clock.now() / 1000);
    const claims = boundClaims(account, bound, { issuer: this.issuer, audiences, now, life, id: uuid(random) });
    return { token: await signToken(keys.newest, claims), expires: claims.exp * 1000 };
  }

  /** The token of a Secret of this name. */
  issueLegacy(account: ServiceAccount, secret: string): Promise<string> {
    return signToken(this.#deps.keys.newest, legacyClaims(account, secret));
  }

  async review(token: string, audiences: readonly string[]): Promise<Holder | undefined> {
    const issuer = issuerOf(token);
    if (issuer !== this.issuer && issuer !== legacyIssuer) return undefined;
    const claims = await this.#verify(token);
    if (!claims) return undefined;
    if (issuer === legacyIssuer) {
      const legacy = readLegacyClaims(claims);
      return legacy && { identity: await this.#legacyHolder(token, legacy), audiences: this.#audience([], audiences) };
    }
    const bound = readBoundClaims(claims);
    if (!bound) return undefined;
    return { audiences: this.#audience(bound.aud, audiences), identity: await this.#boundHolder(bound) };
  }

  async #verify(token: string): Promise<Claims | undefined> {
    const { keys, clock } = this.#deps;
    const id = keyIdOf(token);
    if (keys.all.every((key) => key.id !== id) && clock.monotonic() - this.#reloadedAt >= reloadMs) {
      this.#reloadedAt = clock.monotonic();
      await keys.reload();
    }
    return verifiedClaims(token, keys.all);
  }

  /** The reviewing audiences that the token is for. */
  #audience(meant: readonly string[], asking: readonly string[]): readonly string[] {
    const own = meant.length > 0 ? meant : this.audiences;
    const both = asking.filter((one) => own.includes(one));
    if (both.length > 0) return both;
    throw new TokenFault(`token audiences ${quoted(own)} is invalid for the target audiences ${quoted(asking)}`);
  }

  async #boundHolder(claims: BoundClaims) {
    const { objects, clock } = this.#deps;
    const now = clock.now() / 1000;
    if (now > claims.exp + skew) throw new TokenFault('service account token has expired');
    if (now < claims.nbf - skew) throw new TokenFault('service account token is not valid yet');
    const { namespace, serviceaccount, pod, secret, node } = claims['kubernetes.io'];
    await this.#account(namespace, serviceaccount.name, serviceaccount.uid);
    if (secret) {
      const found = await lookUp(objects, 'Secret', secret, namespace);
      this.#check(found, secret.uid, (uid) => `secret UID (${uid}) does not match service account secret ref claim`);
    }
    if (pod) {
      const found = await lookUp(objects, 'Pod', pod, namespace);
      this.#check(found, pod.uid, (uid) => `pod UID (${uid}) does not match service account pod ref claim`);
    } else if (node) {
      const found = await lookUp(objects, 'Node', node);
      this.#check(found, node.uid, (uid) => `node UID (${uid}) does not match service account node ref claim`);
    }
    return accountIdentity({ namespace, ...serviceaccount }, claims);
  }

  async #legacyHolder(token: string, claims: LegacyClaims) {
    const namespace = claims['kubernetes.io/serviceaccount/namespace'];
    const name = claims['kubernetes.io/serviceaccount/service-account.name'];
    const uid = claims['kubernetes.io/serviceaccount/service-account.uid'];
    const secretName = claims['kubernetes.io/serviceaccount/secret.name'];
    const matches = (secret: Secret | undefined): boolean => isSame(secret?.data?.token, token);
    let secret = this.#deps.objects.cached('Secret', secretName, namespace);
    if (!matches(secret)) secret = await this.#deps.objects.fresh('Secret', secretName, namespace);
    if (!secret || secret.metadata.deletionTimestamp) throw new TokenFault('Token has been invalidated');
    if (!matches(secret)) throw new TokenFault("Token does not match server's copy");
    await this.#account(namespace, name, uid);
    return accountIdentity({ namespace, name, uid });
  }

  async #account(namespace: string, name: string, uid: string | undefined): Promise<void> {
    const wanted = { name, ...(uid ? { uid } : {}) };
    const account = await lookUp(this.#deps.objects, 'ServiceAccount', wanted, namespace);
    if (!account) throw new TokenFault(`serviceaccount ${JSON.stringify(name)} not found`);
    this.#check(account, uid, (present) => `service account UID (${present}) does not match claim`);
  }

  #check(
    object: { metadata: { uid: string; deletionTimestamp?: string } } | undefined,
    uid: string | undefined,
    fault: (uid: string) => string,
  ): void {
    const { deletionTimestamp: deleted } = object?.metadata ?? {};
    const gone = deleted !== undefined && Date.parse(deleted) < this.#deps.clock.now() - deletionGraceMs;
    if (!object || gone) throw new TokenFault('service account token has been invalidated');
    if (object.metadata.uid !== uid) throw new TokenFault(`${fault(object.metadata.uid)} (${uid ?? ''})`);
  }
}

/** `stored`: base64. */
function isSame(stored: string | undefined, token: string): boolean {
  return stored ? isSameSecret(Buffer.from(stored, 'base64'), token) : false;
}
