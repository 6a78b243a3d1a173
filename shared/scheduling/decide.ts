import { addScores, firstRejection, prepare } from './checks.ts';
import type { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Decision, Plugin, Rejection } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';
import { ShapeResults } from './shape-results.ts';

/** Shapes whose results are kept. Each costs some 50 bytes a node. */
const keptShapes = 256;

/**
 * Decides where pods go: every node is considered, the best is taken, equals are told apart by a fixed order of
 * chance that differs from shape to shape. What is known of equal pods is kept, and brought up to date only for the
 * nodes that changed since, so that the next of them costs a few steps whatever the number of nodes. Rules that look
 * at more than one node cost one pass over the nodes.
 */
export class Decider {
  readonly #index: NodeIndex;
  readonly #plugins: readonly Plugin[];
  readonly #seed: number;
  readonly #kept = new Map<PodShape, ShapeResults>();

  /** `seed`: a whole number that the order of equals follows from. */
  constructor(index: NodeIndex, plugins: readonly Plugin[], seed: number) {
    this.#index = index;
    this.#plugins = plugins;
    this.#seed = seed;
  }

  /** Pure over the index as it is: it changes nothing but what it remembers. */
  decide(shape: PodShape): Decision {
    const results = this.#results(shape);
    results.refresh();
    const checks = prepare(this.#plugins, 'cluster', shape, this.#index);
    const node = checks.length === 0 ? results.best() : undefined;
    if (node) return { node, score: results.score(node) };
    if (checks.length === 0) return { rejections: results.rejections() };
    return this.#decideTogether(results, checks);
  }

  /** Whether the node takes a pod of the shape, as the index is. */
  fits(shape: PodShape, node: NodeInfo): boolean {
    if (!node.node) return false;
    const results = this.#results(shape);
    results.refresh();
    return !results.rejection(node) && !firstRejection(prepare(this.#plugins, 'cluster', shape, this.#index), node);
  }

  /** With rules that look at the whole cluster: one pass over the nodes that the others leave. */
  #decideTogether(results: ShapeResults, checks: readonly Check[]): Decision {
    const feasible: NodeInfo[] = [];
    const totals: number[] = [];
    for (const node of this.#index.slots) {
      if (!node?.node || results.rejection(node) || firstRejection(checks, node)) continue;
      feasible.push(node);
      totals.push(results.score(node));
    }
    if (feasible.length === 0) return { rejections: this.#allRejections(results, checks) };
    addScores(totals, checks, feasible);
    let [best] = feasible;
    let bestScore = totals[0] ?? 0;
    for (let at = 1; at < feasible.length; at++) {
      const [node, score = 0] = [feasible[at], totals[at]];
      if (!node || !best || score < bestScore || (score === bestScore && !results.comesBefore(node, best))) continue;
      best = node;
      bestScore = score;
    }
    return best ? { node: best, score: bestScore } : { rejections: [] };
  }

  #allRejections(results: ShapeResults, checks: readonly Check[]): (readonly [NodeInfo, Rejection])[] {
    const rejections: (readonly [NodeInfo, Rejection])[] = [];
    for (const node of this.#index.slots) {
      const rejection = node?.node && (results.rejection(node) ?? firstRejection(checks, node));
      if (node && rejection) rejections.push([node, rejection]);
    }
    return rejections;
  }

  #results(shape: PodShape): ShapeResults {
    let results = this.#kept.get(shape);
    if (results) {
      this.#kept.delete(shape);
    } else {
      const nodeChecks = prepare(this.#plugins, 'node', shape, this.#index);
      const localChecks = prepare(this.#plugins, 'local', shape, this.#index);
      results = new ShapeResults(this.#index, shape, nodeChecks, localChecks, this.#seed);
    }
    this.#kept.set(shape, results);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptShapes) break;
      this.#kept.delete(oldest);
    }
    return results;
  }
}
