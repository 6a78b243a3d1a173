import type { PolicyRule, UserInfo } from '../../../shared/generated/types.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import { mastersGroup, nodesGroup, serversGroup } from '../../../shared/well-known.ts';

/** The user of a request: from a client certificate or a token, or a component of this process. */
export interface Identity {
  /** `system:node:worker-1`, `system:kube-scheduler`, `kubernetes-admin` … */
  readonly user: string;
  readonly groups: readonly string[];
  /** Distinguishes users that have had one name over time: a service account's uid. */
  readonly uid?: string;
  /** Further attributes: `authentication.kubernetes.io/pod-name` and the like. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** A component of this process: it may do everything, independent of its roles. */
  readonly inProcess?: true;
}

/** What a request is for, in RBAC's terms. */
export interface Attributes {
  /** get, list, watch, create, update, patch, delete, deletecollection */
  readonly verb: string;
  readonly group: string;
  /** Plural; empty for a path that is no resource. */
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** The field selector of a list or a watch: nodes may list the pods that are bound to them. */
  readonly fields?: readonly FieldRequirement[];
  /** For non-resource requests: `/version`. */
  readonly path?: string;
}

/** Decides whether an identity may do a thing. `object`: what is written, for the node rules; absent before it is decoded. */
export interface Authorizer {
  authorize(identity: Identity, attributes: Attributes, object?: unknown): Decision;
  /** The rules that hold for the identity in a namespace. */
  rulesOf?(identity: Identity, namespace: string): HeldRules;
}

/** The rules that hold for a user, and the errors while they were resolved. */
export interface HeldRules {
  readonly rules: readonly PolicyRule[];
  readonly errors: readonly string[];
}

/** `reason`: empty when no rule has one. */
export type Decision =
  | { readonly allowed: true; readonly reason?: string }
  | { readonly allowed: false; readonly reason: string };

export const groups = {
  masters: mastersGroup,
  nodes: nodesGroup,
  authenticated: 'system:authenticated',
  unauthenticated: 'system:unauthenticated',
  bootstrappers: 'system:bootstrappers',
  /** The API servers of the cluster. */
  servers: serversGroup,
} as const;

/** A component of this process, under its user name in Kubernetes: `system:kube-scheduler`. */
export function component(user: string, held: readonly string[] = []): Identity {
  return { user, groups: [...held, groups.authenticated], inProcess: true };
}

/** An identity as Kubernetes' reviews and audit events show it. */
export function userInfoOf({ user, uid, groups: held, extra }: Identity): UserInfo {
  return {
    username: user,
    ...(uid ? { uid } : {}),
    ...(held.length > 0 ? { groups: [...held] } : {}),
    ...(extra && Object.keys(extra).length > 0 ? { extra: { ...extra } as UserInfo['extra'] } : {}),
  };
}

/** Whether a user may do everything without any rule. */
export function isAboveRules({ groups: held, inProcess }: Identity): boolean {
  return inProcess === true || held.includes(groups.masters);
}
