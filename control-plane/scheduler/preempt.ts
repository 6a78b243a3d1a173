import { firstRejection, prepare } from './checks.ts';
import type { NodeIndex } from './node-index.ts';
import type { NodeState, PodEntry } from './node-state.ts';
import type { Check, Plugin, Rejection } from './types.ts';

/** Rules that look at the whole cluster cost a pass over it for every node that is tried: of these so many are. */
const mostTriedTogether = 100;

/** A node that would take the pod if the victims went. */
export interface Preemption {
  readonly node: NodeState;
  /** Of lower priority, each of them needed. */
  readonly victims: readonly PodEntry[];
}

/**
 * The cheapest way to make room for a pod that fits nowhere: the node whose most important victim is the least
 * important, of those the one where the victims' priorities sum up to the least, of those the one with the fewest
 * victims. Undefined when no removal of less important pods helps. The index is as it was when it returns.
 */
export function findPreemption(
  entry: PodEntry,
  rejections: readonly (readonly [NodeState, Rejection])[],
  index: NodeIndex,
  plugins: readonly Plugin[],
): Preemption | undefined {
  if (index.lowestPriority >= entry.priority) return undefined;
  const together = prepare(plugins, 'cluster', entry.shape, index).length > 0;
  const fixed = [...prepare(plugins, 'node', entry.shape, index), ...prepare(plugins, 'local', entry.shape, index)];
  const fits = (node: NodeState): boolean => {
    const checks: readonly Check[] = together ? [...fixed, ...prepare(plugins, 'cluster', entry.shape, index)] : fixed;
    return firstRejection(checks, node) === undefined;
  };
  let best: Preemption | undefined;
  let tried = 0;
  for (const [node, { resolvable }] of rejections) {
    if (!resolvable || (together && tried >= mostTriedTogether)) continue;
    const candidates = [...node.pods].filter((pod) => isVictim(pod, entry)).sort(mostImportantFirst);
    if (candidates.length === 0) continue;
    tried++;
    const victims = neededVictims(node, candidates, index, fits);
    if (victims && (!best || isCheaper(victims, best.victims))) best = { node, victims };
  }
  return best;
}

/** A pod on its way to being stored is left alone; one that only has a place kept for it is not. */
function isVictim(pod: PodEntry, by: PodEntry): boolean {
  return pod.priority < by.priority && (!pod.assumed || pod.reserved);
}

/** Takes all candidates off the node; if the pod fits then, puts back the most important ones that leave it fitting. */
function neededVictims(
  node: NodeState,
  candidates: readonly PodEntry[],
  index: NodeIndex,
  fits: (node: NodeState) => boolean,
): PodEntry[] | undefined {
  for (const pod of candidates) index.lift(pod);
  if (!fits(node)) {
    for (const pod of candidates) index.putBack(pod, node);
    return undefined;
  }
  const victims: PodEntry[] = [];
  for (const pod of candidates) {
    index.putBack(pod, node);
    if (fits(node)) continue;
    index.lift(pod);
    victims.push(pod);
  }
  for (const pod of victims) index.putBack(pod, node);
  return victims;
}

function mostImportantFirst(a: PodEntry, b: PodEntry): number {
  return b.priority - a.priority || a.created - b.created || (a.key < b.key ? -1 : 1);
}

function isCheaper(a: readonly PodEntry[], b: readonly PodEntry[]): boolean {
  const [left, right] = [cost(a), cost(b)];
  for (const [at, value] of left.entries()) if (value !== right[at]) return value < (right[at] ?? 0);
  return false;
}

/** Pods that are already going cost nothing. */
function cost(victims: readonly PodEntry[]): number[] {
  const priorities = victims.filter(({ deleting }) => !deleting).map(({ priority }) => priority);
  const most = priorities.reduce((max, one) => Math.max(max, one), Number.NEGATIVE_INFINITY);
  // Counted from the least priority there can be, so that more victims never sum up to less.
  const sum = priorities.reduce((total, one) => total + one + 2 ** 31, 0);
  return [most, sum, priorities.length];
}
