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

/** Why no removal helps, in Kubernetes' words: a list of reasons for each node. */
export interface NoPreemption {
  readonly node?: undefined;
  readonly reasons: readonly (readonly string[])[];
}

const noVictims = ['No preemption victims found for incoming pod'];
const notHelpful = ['Preemption is not helpful for scheduling'];

/**
 * The cheapest way to make room for a pod that fits nowhere: the node whose most important victim is the least
 * important, of those the one where the victims' priorities sum up to the least, of those the one with the fewest
 * victims. The index is as it was when it returns.
 */
export function findPreemption(
  entry: PodEntry,
  rejections: readonly (readonly [NodeState, Rejection])[],
  index: NodeIndex,
  plugins: readonly Plugin[],
): Preemption | NoPreemption {
  if (index.lowestPriority >= entry.priority) {
    return { reasons: rejections.map(([, { resolvable }]) => (resolvable ? noVictims : notHelpful)) };
  }
  const together = prepare(plugins, 'cluster', entry.shape, index).length > 0;
  const fixed = [...prepare(plugins, 'node', entry.shape, index), ...prepare(plugins, 'local', entry.shape, index)];
  const rejectionOf: RejectionOf = (node) => {
    const checks: readonly Check[] = together ? [...fixed, ...prepare(plugins, 'cluster', entry.shape, index)] : fixed;
    return firstRejection(checks, node);
  };
  let best: Preemption | undefined;
  let tried = 0;
  const reasons = rejections.map(([node, { resolvable }]) => {
    if (!resolvable) return notHelpful;
    const candidates = [...node.pods].filter((pod) => isVictim(pod, entry)).sort(mostImportantFirst);
    if (candidates.length === 0 || (together && tried >= mostTriedTogether)) return noVictims;
    tried++;
    const needed = neededVictims(node, candidates, index, rejectionOf);
    if ('reasons' in needed) return needed.reasons;
    if (!best || isCheaper(needed, best.victims)) best = { node, victims: needed };
    return [];
  });
  return best ?? { reasons };
}

type RejectionOf = (node: NodeState) => Rejection | undefined;

/** A pod on its way to being stored is left alone; one that only has a place kept for it is not. */
function isVictim(pod: PodEntry, by: PodEntry): boolean {
  return pod.priority < by.priority && (!pod.assumed || pod.reserved);
}

/** Takes all candidates off the node; if the pod fits then, puts back the most important ones that leave it fitting; else says why not. */
function neededVictims(
  node: NodeState,
  candidates: readonly PodEntry[],
  index: NodeIndex,
  rejectionOf: RejectionOf,
): PodEntry[] | Rejection {
  for (const pod of candidates) index.lift(pod);
  const inVain = rejectionOf(node);
  if (inVain) {
    for (const pod of candidates) index.putBack(pod, node);
    return inVain;
  }
  const victims: PodEntry[] = [];
  for (const pod of candidates) {
    index.putBack(pod, node);
    if (!rejectionOf(node)) continue;
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
