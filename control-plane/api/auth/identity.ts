import type { PolicyRule } from '../../../shared/generated/types.ts';
import type { FieldRequirement } from '../../../shared/selector.ts';
import { mastersGroup, nodesGroup, serversGroup } from '../../../shared/well-known.ts';

/** Who asks, as established by a client certificate, a token, or by being a component of this process. */
export interface Identity {
  /** `system:node:worker-1`, `system:kube-scheduler`, `kubernetes-admin` … */
  readonly user: string;
  readonly groups: readonly string[];
  /** Tells apart users of one name over time: a service account's uid. */
  readonly uid?: string;
  /** What else the authenticator knows: `authentication.kubernetes.io/pod-name` and the like. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** A component of this very process: it may do everything, whatever its name may elsewhere. */
  readonly inProcess?: true;
}

/** What is asked for, in RBAC's terms. */
export interface Attributes {
  /** get, list, watch, create, update, patch, delete, deletecollection */
  readonly verb: string;
  readonly group: string;
  /** Plural; empty for a path that is no resource. */
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** What a list or a watch is limited to: nodes may list the pods that are bound to them. */
  readonly fields?: readonly FieldRequirement[];
  /** For non-resource requests: `/version`. */
  readonly path?: string;
}

/** Decides whether an identity may do a thing. `object` is the one written, when it is known: node rules look into it. */
export interface Authorizer {
  authorize(identity: Identity, attributes: Attributes, object?: unknown): Decision;
  /** All that the identity may do in a namespace, as far as rules say it. */
  rulesOf?(identity: Identity, namespace: string): HeldRules;
}

/** What somebody may do, and what kept the rest from being known. */
export interface HeldRules {
  readonly rules: readonly PolicyRule[];
  readonly errors: readonly string[];
}

/** `reason`: what the rules have to say about it, which is often nothing. */
export type Decision =
  | { readonly allowed: true; readonly reason?: string }
  | { readonly allowed: false; readonly reason: string };

export const groups = {
  masters: mastersGroup,
  nodes: nodesGroup,
  authenticated: 'system:authenticated',
  unauthenticated: 'system:unauthenticated',
  bootstrappers: 'system:bootstrappers',
  /** The servers of the cluster, among themselves. */
  servers: serversGroup,
} as const;

/** One of the cluster's own components in this process, under the name that it has in Kubernetes: `system:kube-scheduler`. */
export function component(user: string, held: readonly string[] = []): Identity {
  return { user, groups: [...held, groups.authenticated], inProcess: true };
}

/** Whether rules are not asked about somebody. */
export function isAboveRules({ groups: held, inProcess }: Identity): boolean {
  return inProcess === true || held.includes(groups.masters);
}
