import { firstRejection, sumScores } from './checks.ts';
import type { NodeIndex } from './node-index.ts';
import type { NodeInfo } from './node-info.ts';
import type { Check, Rejection } from './plugin.ts';
import type { PodShape } from './pod-shape.ts';
import { WinnerTree } from './winner-tree.ts';

/** The cached filter and score results of one node. */
interface Result {
  readonly node: NodeInfo;
  version: number;
  objectVersion: number;
  /** Of the checks of scope `node`. */
  fixedRejection: Rejection | undefined;
  fixedScore: number;
  rejection: Rejection | undefined;
  score: number;
  /** Breaks ties between nodes of equal score. */
  readonly rank: number;
}

/** The filter and score results of one shape for all nodes, cached by the nodes' versions, and the best node. */
export class ShapeResults {
  readonly #index: NodeIndex;
  readonly #nodeChecks: readonly Check[];
  readonly #localChecks: readonly Check[];
  readonly #salt: number;
  readonly #results: (Result | undefined)[] = [];
  readonly #winners: WinnerTree;
  /** The position in the change log up to which the results are current. */
  #cursor = 0;

  constructor(
    index: NodeIndex,
    shape: PodShape,
    nodeChecks: readonly Check[],
    localChecks: readonly Check[],
    seed: number,
  ) {
    this.#index = index;
    this.#nodeChecks = nodeChecks;
    this.#localChecks = localChecks;
    this.#salt = hash(shape.key, seed);
    this.#winners = new WinnerTree((a, b) => this.#isBetter(a, b));
  }

  /** Updates the results of the nodes that have changed since the last call. */
  refresh(): void {
    const { changes, slots } = this.#index;
    if (changes.covers(this.#cursor) && changes.head - this.#cursor < slots.length) {
      for (let at = this.#cursor; at < changes.head; at++) {
        const slot = changes.at(at);
        if (this.#update(slot)) this.#winners.set(slot, this.#isCandidate(slot));
      }
    } else {
      for (let slot = 0; slot < slots.length; slot++) this.#update(slot);
      this.#winners.rebuild(slots.length, (slot) => this.#isCandidate(slot));
    }
    this.#cursor = changes.head;
  }

  best(): NodeInfo | undefined {
    const slot = this.#winners.winner;
    return slot < 0 ? undefined : this.#results[slot]?.node;
  }

  rejection(node: NodeInfo): Rejection | undefined {
    return this.#results[node.slot]?.rejection;
  }

  score(node: NodeInfo): number {
    return this.#results[node.slot]?.score ?? 0;
  }

  rejections(): (readonly [NodeInfo, Rejection])[] {
    const found: (readonly [NodeInfo, Rejection])[] = [];
    for (const result of this.#results)
      if (result?.node.node && result.rejection) found.push([result.node, result.rejection]);
    return found;
  }

  /** The order of nodes with equal scores. */
  comesBefore(a: NodeInfo, b: NodeInfo): boolean {
    const [left, right] = [this.#results[a.slot], this.#results[b.slot]];
    return left !== undefined && (right === undefined || ranksBefore(left, right));
  }

  /** Returns whether the result has changed. */
  #update(slot: number): boolean {
    const node = this.#index.slots[slot];
    let result = this.#results[slot];
    if (!node) {
      this.#results[slot] = undefined;
      return result !== undefined;
    }
    if (result?.node !== node) {
      result = {
        node,
        version: 0,
        objectVersion: 0,
        fixedRejection: undefined,
        fixedScore: 0,
        rejection: undefined,
        score: 0,
        rank: hash(node.name, this.#salt),
      };
      this.#results[slot] = result;
    }
    if (result.version === node.version) return false;
    result.version = node.version;
    if (!node.node) return true;
    if (result.objectVersion !== node.objectVersion) {
      result.objectVersion = node.objectVersion;
      result.fixedRejection = firstRejection(this.#nodeChecks, node);
      result.fixedScore = sumScores(this.#nodeChecks, node);
    }
    result.rejection = result.fixedRejection ?? firstRejection(this.#localChecks, node);
    result.score = result.rejection ? 0 : result.fixedScore + sumScores(this.#localChecks, node);
    return true;
  }

  #isCandidate(slot: number): boolean {
    const result = this.#results[slot];
    return result?.node.node !== undefined && result.rejection === undefined;
  }

  #isBetter(a: number, b: number): boolean {
    const [left, right] = [this.#results[a], this.#results[b]];
    if (!left || !right) return false;
    return left.score > right.score || (left.score === right.score && ranksBefore(left, right));
  }
}

function ranksBefore(a: Result, b: Result): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.node.name < b.node.name);
}

/** FNV-1a of the text with a finalizer (MurmurHash3), from a start value. */
function hash(text: string, start: number): number {
  let h = (0x811c9dc5 ^ start) >>> 0;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
