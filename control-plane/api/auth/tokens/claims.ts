import type { Node, Pod, Secret, ServiceAccount } from '../../../../shared/generated/types.ts';
import { isRecord } from '../../../../shared/records.ts';
import type { Identity } from '../identity.ts';
import { serviceAccountGroups, serviceAccountUser } from '../service-accounts.ts';
import type { Claims } from './jwt.ts';

/** The name and uid of an object. */
export interface Reference {
  readonly name: string;
  readonly uid?: string;
}

/** The claims of a service account's token (Kubernetes, `pkg/serviceaccount/claims.go`). Times are seconds since the epoch. */
export interface BoundClaims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly node?: Reference;
    readonly pod?: Reference;
    readonly secret?: Reference;
    readonly serviceaccount: Reference;
  };
  readonly nbf: number;
  readonly sub: string;
}

/** The objects that a token is bound to: it is valid as long as they exist. */
export interface Bound {
  readonly pod?: Pod;
  readonly secret?: Secret;
  /** With a pod: the pod's node, for information. Alone: the object that the token is bound to. */
  readonly node?: Node | { readonly metadata: { readonly name: string; readonly uid?: string } };
}

export interface Wanted {
  readonly issuer: string;
  readonly audiences: readonly string[];
  /** Seconds. */
  readonly now: number;
  readonly life: number;
  /** Of the token, a uuid. */
  readonly id: string;
}

export function boundClaims(account: ServiceAccount, { pod, secret, node }: Bound, wanted: Wanted): BoundClaims {
  const { name, namespace = '' } = account.metadata;
  const { now, life } = wanted;
  return {
    aud: wanted.audiences,
    exp: now + life,
    iat: now,
    iss: wanted.issuer,
    jti: wanted.id,
    'kubernetes.io': {
      namespace,
      ...(node ? { node: referenceTo(node) } : {}),
      ...(pod ? { pod: referenceTo(pod) } : {}),
      ...(secret ? { secret: referenceTo(secret) } : {}),
      serviceaccount: referenceTo(account),
    },
    nbf: now,
    sub: serviceAccountUser({ namespace, name }),
  };
}

/** Undefined when the claims do not have the form of such a token. */
export function readBoundClaims(claims: Claims): BoundClaims | undefined {
  const own = claims['kubernetes.io'];
  const { aud, sub, exp, nbf, iat, iss, jti } = claims;
  if (!isRecord(own) || typeof own.namespace !== 'string' || !isReference(own.serviceaccount)) return undefined;
  const optional = [own.pod, own.secret, own.node];
  if (optional.some((one) => one !== undefined && !isReference(one))) return undefined;
  const audiences = typeof aud === 'string' ? [aud] : aud;
  if (!Array.isArray(audiences) || !audiences.every((one) => typeof one === 'string')) return undefined;
  if (typeof exp !== 'number' || typeof nbf !== 'number' || typeof iat !== 'number') return undefined;
  if (typeof iss !== 'string' || typeof jti !== 'string') return undefined;
  if (sub !== serviceAccountUser({ namespace: own.namespace, name: own.serviceaccount.name })) return undefined;
  return { ...(claims as unknown as BoundClaims), aud: audiences };
}

/** The claims of the token in a Secret of the type kubernetes.io/service-account-token: valid as long as the Secret exists. */
export interface LegacyClaims {
  readonly iss: typeof legacyIssuer;
  readonly 'kubernetes.io/serviceaccount/namespace': string;
  readonly 'kubernetes.io/serviceaccount/secret.name': string;
  readonly 'kubernetes.io/serviceaccount/service-account.name': string;
  readonly 'kubernetes.io/serviceaccount/service-account.uid': string;
  readonly sub: string;
}

export const legacyIssuer = 'kubernetes/serviceaccount';

export function legacyClaims({ metadata }: ServiceAccount, secret: string): LegacyClaims {
  const { name, uid, namespace = '' } = metadata;
  return {
    iss: legacyIssuer,
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': secret,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
    sub: serviceAccountUser({ namespace, name }),
  };
}

export function readLegacyClaims(claims: Claims): LegacyClaims | undefined {
  const texts = ['namespace', 'secret.name', 'service-account.name', 'service-account.uid'];
  if (texts.some((name) => typeof claims[`kubernetes.io/serviceaccount/${name}`] !== 'string')) return undefined;
  const legacy = claims as unknown as LegacyClaims;
  const namespace = legacy['kubernetes.io/serviceaccount/namespace'];
  const name = legacy['kubernetes.io/serviceaccount/service-account.name'];
  return legacy.sub === serviceAccountUser({ namespace, name }) ? legacy : undefined;
}

/** The identity of a service account's processes. */
export function accountIdentity(account: { namespace: string } & Reference, claims?: BoundClaims): Identity {
  const { namespace, name, uid } = account;
  const { pod, node } = claims?.['kubernetes.io'] ?? {};
  const attributes: Record<string, string | undefined> = {
    'credential-id': claims && `JTI=${claims.jti}`,
    'node-name': node?.name,
    'node-uid': node?.uid,
    'pod-name': pod?.name,
    'pod-uid': pod?.uid,
  };
  const extra = Object.entries(attributes).flatMap(([key, value]): [string, string[]][] =>
    value === undefined ? [] : [[`authentication.kubernetes.io/${key}`, [value]]],
  );
  return {
    user: serviceAccountUser({ namespace, name }),
    ...(uid ? { uid } : {}),
    groups: serviceAccountGroups(namespace),
    ...(extra.length > 0 ? { extra: Object.fromEntries(extra) } : {}),
  };
}

function referenceTo({ metadata: { name, uid } }: { metadata: { name: string; uid?: string } }): Reference {
  return { name, ...(uid ? { uid } : {}) };
}

function isReference(value: unknown): value is Reference {
  return (
    isRecord(value) && typeof value.name === 'string' && (value.uid === undefined || typeof value.uid === 'string')
  );
}
