import type { NodeInfo } from './node-info.ts';
import type { PodShape, PodTerm } from './pod-shape.ts';

/** What plugins may look at: the nodes with the pods that are, or are assumed to be, on them. */
export interface Snapshot {
  /** By slot; a slot may be empty. A state without `node` is a name that pods are bound to, and no candidate. */
  readonly slots: readonly (NodeInfo | undefined)[];
  /** The nodes there are. */
  readonly nodeCount: number;
  /**
   * How many pods match all of `terms` on each node, by slot; kept up from the first time it is asked for. `staying`: without pods that
   * are being deleted.
   */
  count(terms: readonly PodTerm[], user: PodShape, among?: 'all' | 'staying'): PodCount;
  /** The terms on other pods that pods on nodes carry and that speak of pods of `shape`. */
  carried(shape: PodShape): readonly CarriedTerm[];
  matches(term: PodTerm, shape: PodShape): boolean;
  /** The domain each node is in by a node label: a number below `count`, or -1 where the label is missing. By slot. */
  domains(topologyKey: string): Domains;
}

export interface PodCount {
  readonly perNode: Int32Array;
  readonly total: number;
}

export interface Domains {
  readonly of: Int32Array;
  readonly count: number;
}

/** A term of pods that are already placed, and where they are. */
export interface CarriedTerm {
  readonly term: PodTerm;
  /** `required`: an anti-affinity that must hold; else what a placement in the same domain is worth to the carriers. */
  readonly weight: number | 'required';
  readonly perNode: Int32Array;
}

/**
 * One rule of placement. It is pure over the snapshot.
 * - scope `node`: what it says of a node depends on that node's object alone;
 * - `local`: and on the pods on that node;
 * - `cluster`: and on other nodes. It is prepared anew for every decision.
 */
export interface Plugin {
  readonly name: string;
  readonly scope: 'node' | 'local' | 'cluster';
  /** Undefined when it has nothing to say of pods of this shape. */
  prepare(shape: PodShape, snapshot: Snapshot): Check | undefined;
}

export interface Check {
  /** Why the node can't take the pod; undefined when it can. */
  filter?(node: NodeInfo): Rejection | undefined;
  /** How good the node is, 0 to 100. Absent: the plugin doesn't score. */
  score?(node: NodeInfo): number;
  /** Scores of many nodes at once, 0 to 100, for what is good only in comparison. Scope `cluster` only. */
  scores?(nodes: readonly NodeInfo[]): ArrayLike<number>;
  /** How much the score counts; 1 when absent. */
  readonly weight?: number;
}

/** Why a node can't take a pod, in Kubernetes' words: one node may have several reasons of one plugin. */
export interface Rejection {
  readonly plugin: string;
  readonly reasons: readonly string[];
  /** Removing pods from this node may help. */
  readonly resolvable: boolean;
}

export type Decision =
  | { readonly node: NodeInfo; readonly score: number }
  /** `rejections`: of every node there is. */
  | { readonly node?: undefined; readonly rejections: readonly (readonly [NodeInfo, Rejection])[] };
