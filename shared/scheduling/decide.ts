import { addScores, firstRejection, prepare } from './checks.ts';
import type { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Plugin, Rejection, Rejections } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';
import { ShapeResults } from './shape-results.ts';

/** Shapes whose results are cached. Each costs some 50 bytes a node. */
const cachedShapes = 256;

export type Decision =
  | { readonly node: NodeInfo; readonly score: number }
  /** `rejections`: of all existing nodes. */
  | { readonly node?: undefined; readonly rejections: Rejections };

/**
 * The scheduling algorithm: filters and scores every node and takes the best; ties are broken by a pseudo-random order that differs from
 * shape to shape. Results are cached by shape and updated only for the nodes that changed, so a further pod of a shape costs a few steps
 * whatever the number of nodes. Plugins of scope `cluster` cost one pass over the nodes.
 */
export class Decider {
  readonly #index: NodeIndex;
  readonly #plugins: readonly Plugin[];
  readonly #seed: number;
  readonly #cached = new Map<PodShape, ShapeResults>();

  /** `seed`: an integer; the same seed breaks ties in the same way. */
  constructor(index: NodeIndex, plugins: readonly Plugin[], seed: number) {
    this.#index = index;
    this.#plugins = plugins;
    this.#seed = seed;
  }

  /** Changes nothing but the cached results. */
  decide(shape: PodShape): Decision {
    const results = this.#results(shape);
    results.refresh();
    const checks = prepare(this.#plugins, 'cluster', shape, this.#index);
    const node = checks.length === 0 ? results.best() : undefined;
    if (node) return { node, score: results.score(node) };
    if (checks.length === 0) return { rejections: results.rejections() };
    return this.#compareNodes(results, checks);
  }

  /** Whether the node takes a pod of the shape now. */
  fits(shape: PodShape, node: NodeInfo): boolean {
    if (!node.node) return false;
    const results = this.#results(shape);
    results.refresh();
    return !results.rejection(node) && !firstRejection(prepare(this.#plugins, 'cluster', shape, this.#index), node);
  }

  /** One pass of the checks of scope `cluster` over the nodes that the others accept. */
  #compareNodes(results: ShapeResults, checks: readonly Check[]): Decision {
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

  #allRejections(results: ShapeResults, checks: readonly Check[]): Rejections {
    const rejections: (readonly [NodeInfo, Rejection])[] = [];
    for (const node of this.#index.slots) {
      const rejection = node?.node && (results.rejection(node) ?? firstRejection(checks, node));
      if (node && rejection) rejections.push([node, rejection]);
    }
    return rejections;
  }

  #results(shape: PodShape): ShapeResults {
    let results = this.#cached.get(shape);
    if (results) {
      this.#cached.delete(shape);
    } else {
      const nodeChecks = prepare(this.#plugins, 'node', shape, this.#index);
      const localChecks = prepare(this.#plugins, 'local', shape, this.#index);
      results = new ShapeResults(this.#index, shape, nodeChecks, localChecks, this.#seed);
    }
    this.#cached.set(shape, results);
    for (const oldest of this.#cached.keys()) {
      if (this.#cached.size <= cachedShapes) break;
      this.#cached.delete(oldest);
    }
    return results;
  }
}
