import type { NodeInfo } from './node-info.ts';
import type { PodShape } from './pod-shape.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * One scheduling rule. It is pure over the snapshot.
 * - scope `node`: its verdict on a node depends on the Node object alone;
 * - `local`: and on the pods on that node;
 * - `cluster`: and on other nodes. It is prepared again for every decision.
 */
export interface Plugin {
  readonly name: string;
  readonly scope: 'node' | 'local' | 'cluster';
  /** The events after which a pod that the filter rejected may fit (kube-scheduler's `EventsToRegister`). A new node is always one. */
  readonly events: readonly ClusterEvent[];
  /** Undefined: the rule does not apply to pods of this shape. */
  prepare(shape: PodShape, snapshot: Snapshot): Check | undefined;
}

/** A rule, prepared for pods of one shape. */
export interface Check {
  /** Why the node cannot take the pod; undefined: it can. */
  filter?(node: NodeInfo): Rejection | undefined;
  /** The rejection of a node that `filter` rejects in detail, for `coracle why`: labels, taints, amounts. Absent: the reasons say all. */
  details?(node: NodeInfo): readonly string[];
  /** How good the node is, 0 to 100. */
  score?(node: NodeInfo): number;
  /** Scores of many nodes at once, 0 to 100, where nodes are compared with each other. Scope `cluster` only. */
  scores?(nodes: readonly NodeInfo[]): ArrayLike<number>;
  /** Factor of the scores; 1 when absent. */
  readonly weight?: number;
}

/** Why a node cannot take a pod, in Kubernetes' words. One plugin may give several reasons for one node. */
export interface Rejection {
  readonly plugin: string;
  readonly reasons: readonly string[];
  /** Whether removing pods from this node may help (else kube-scheduler's `UnschedulableAndUnresolvable`). */
  readonly resolvable: boolean;
}

/** The rejections of a pod that fits on no node: one for each node. */
export type Rejections = readonly (readonly [NodeInfo, Rejection])[];

/**
 * A change of the cluster that may make an unschedulable pod schedulable (kube-scheduler's `ClusterEvent`). "Assigned" pods are those on a
 * node, or assumed to be. The events of nodes and pods cover changes of what scheduling reads of them.
 */
export type ClusterEvent =
  | 'NodeChange'
  | 'NamespaceChange'
  | 'AssignedPodAdd'
  | 'AssignedPodTerminating'
  | 'AssignedPodDelete'
  | 'ClaimChange'
  | 'VolumeChange'
  | 'StorageClassChange';
