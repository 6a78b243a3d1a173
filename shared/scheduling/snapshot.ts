import type { NodeInfo } from './node-info.ts';
import type { PodShape, PodTerm } from './pod-shape.ts';
import type { Volumes } from './volume-index.ts';

/** What plugins may read: the nodes with the pods that are, or are assumed to be, on them. */
export interface Snapshot {
  /** By slot; a slot may be empty. An entry without `node` is a name that pods are bound to, and no candidate. */
  readonly slots: readonly (NodeInfo | undefined)[];
  /** Existing nodes. */
  readonly nodeCount: number;
  readonly volumes: Volumes;
  /**
   * How many pods match all of `terms` on each node, by slot; updated with every pod from the first call on. `staying`: without pods that
   * are being deleted.
   */
  count(terms: readonly PodTerm[], user: PodShape, among?: 'all' | 'staying'): PodCount;
  /** The terms of pods on nodes that select pods of `shape`. */
  existingTerms(shape: PodShape): readonly ExistingTerm[];
  matches(term: PodTerm, shape: PodShape): boolean;
  /** The topology domain of each node by a node label: a number below `count`, or -1 where the label is missing. By slot. */
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

/** A pod affinity or anti-affinity term of pods that are on nodes, and how many of them are on each. */
export interface ExistingTerm {
  readonly term: PodTerm;
  /** `required`: an anti-affinity that must hold; else what a pod in the same domain adds to the score. */
  readonly weight: number | 'required';
  readonly perNode: Int32Array;
}
