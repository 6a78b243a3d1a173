import type { NodeInfo, PodInfo } from './node-info.ts';
import type { PodShape, PodTerm } from './pod-shape.ts';
import type { ExistingTerm, PodCount } from './snapshot.ts';

/** The score that the required affinity of an existing pod adds (kube-scheduler's `hardPodAffinityWeight`). */
const hardPodAffinityWeight = 1;

/**
 * The number of pods on each node that match a term, and the terms of the pods on nodes. Updated with every pod that is added to or removed
 * from a node; whether a term selects a pod is computed once for each shape.
 */
export class PodCounts {
  readonly #matches: (term: PodTerm, shape: PodShape) => boolean;
  readonly #counters = new Map<string, Counter>();
  readonly #existing = new Map<string, CountedTerm>();
  readonly #matching = new Map<PodShape, { version: number; terms: readonly ExistingTerm[] }>();
  /** The terms of pods of a shape. */
  readonly #terms = new WeakMap<PodShape, readonly WeightedTerm[]>();
  #version = 0;
  #slots = 0;

  constructor(matches: (term: PodTerm, shape: PodShape) => boolean) {
    this.#matches = matches;
  }

  count(
    terms: readonly PodTerm[],
    user: PodShape,
    among: 'all' | 'staying',
    slots: readonly (NodeInfo | undefined)[],
  ): PodCount {
    const key = `${among} ${terms.length === 1 ? terms[0]?.key : JSON.stringify(terms.map((term) => term.key))}`;
    let counter = this.#counters.get(key);
    if (!counter) {
      counter = new Counter((shape) => terms.every((term) => this.#matches(term, shape)), among, slots);
      this.#counters.set(key, counter);
    }
    counter.users.add(user);
    return counter;
  }

  existingTerms(shape: PodShape): readonly ExistingTerm[] {
    if (this.#existing.size === 0) return [];
    let cached = this.#matching.get(shape);
    if (cached?.version !== this.#version) {
      const terms = [...this.#existing.values()].filter((one) => this.#matches(one.term, shape));
      cached = { version: this.#version, terms };
      this.#matching.set(shape, cached);
    }
    return cached.terms;
  }

  /** A pod has been added to (1) or removed from (-1) a node. */
  change({ shape, deleting }: Pick<PodInfo, 'shape' | 'deleting'>, slot: number, sign: 1 | -1): void {
    for (const counter of this.#counters.values()) {
      if (!deleting || counter.among === 'all') counter.change(shape, slot, sign);
    }
    for (const { key, term, weight } of this.#termsOf(shape)) {
      let existing = this.#existing.get(key);
      if (!existing) {
        existing = { term, weight, perNode: new Int32Array(this.#slots), total: 0 };
        this.#existing.set(key, existing);
        this.#version++;
      }
      existing.perNode[slot] = (existing.perNode[slot] ?? 0) + sign;
      existing.total += sign;
      if (existing.total > 0) continue;
      this.#existing.delete(key);
      this.#version++;
    }
  }

  /** No pod has this shape any more: drops what is cached for it. */
  release(shape: PodShape): void {
    this.#matching.delete(shape);
    for (const [key, counter] of this.#counters) {
      counter.covered.delete(shape);
      if (counter.users.delete(shape) && counter.users.size === 0) this.#counters.delete(key);
    }
  }

  /** Makes the arrays large enough for `slots` nodes. */
  cover(slots: number): void {
    this.#slots = Math.max(this.#slots, slots);
    for (const counter of this.#counters.values()) counter.perNode = grown(counter.perNode, slots);
    for (const existing of this.#existing.values()) existing.perNode = grown(existing.perNode, slots);
  }

  /** Labels of namespaces have changed: all matches are computed again on demand. */
  clear(): void {
    this.#counters.clear();
    this.#matching.clear();
  }

  #termsOf(shape: PodShape): readonly WeightedTerm[] {
    let terms = this.#terms.get(shape);
    if (!terms) {
      terms = weightedTerms(shape);
      this.#terms.set(shape, terms);
    }
    return terms;
  }
}

interface WeightedTerm {
  readonly key: string;
  readonly term: PodTerm;
  readonly weight: number | 'required';
}

interface CountedTerm extends ExistingTerm {
  perNode: Int32Array;
  total: number;
}

class Counter implements PodCount {
  perNode: Int32Array;
  total = 0;
  readonly users = new Set<PodShape>();
  readonly covered = new Map<PodShape, boolean>();
  readonly among: 'all' | 'staying';
  readonly #matches: (shape: PodShape) => boolean;

  constructor(
    matches: (shape: PodShape) => boolean,
    among: 'all' | 'staying',
    slots: readonly (NodeInfo | undefined)[],
  ) {
    this.#matches = matches;
    this.among = among;
    this.perNode = new Int32Array(slots.length);
    for (const node of slots) {
      if (!node) continue;
      for (const [shape, all] of node.shapes) {
        if (!this.#covers(shape)) continue;
        const pods = among === 'all' ? all : all - (node.terminating.get(shape) ?? 0);
        this.perNode[node.slot] = (this.perNode[node.slot] ?? 0) + pods;
        this.total += pods;
      }
    }
  }

  change(shape: PodShape, slot: number, sign: 1 | -1): void {
    if (!this.#covers(shape)) return;
    this.perNode[slot] = (this.perNode[slot] ?? 0) + sign;
    this.total += sign;
  }

  #covers(shape: PodShape): boolean {
    let covers = this.covered.get(shape);
    if (covers === undefined) {
      covers = this.#matches(shape);
      this.covered.set(shape, covers);
    }
    return covers;
  }
}

function weightedTerms(shape: PodShape): WeightedTerm[] {
  const weighted = (term: PodTerm, weight: number | 'required'): WeightedTerm => ({
    key: `${weight} ${term.key}`,
    term,
    weight,
  });
  return [
    ...shape.antiAffinity.required.map((term) => weighted(term, 'required')),
    ...shape.antiAffinity.preferred.map(({ term, weight }) => weighted(term, -weight)),
    ...shape.affinity.required.map((term) => weighted(term, hardPodAffinityWeight)),
    ...shape.affinity.preferred.map(({ term, weight }) => weighted(term, weight)),
  ];
}

function grown(array: Int32Array, slots: number): Int32Array {
  if (slots <= array.length) return array;
  const next = new Int32Array(Math.max(64, slots * 2));
  next.set(array);
  return next;
}
