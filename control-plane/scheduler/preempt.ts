import { firstRejection, prepare } from '../../shared/scheduling/checks.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import type { Check, Plugin, Rejection } from '../../shared/scheduling/plugin.ts';
import type { Budgets } from './budgets.ts';

/** Rules that look at the whole cluster cost a pass over it for every node that is tried: of these so many are. */
const mostTriedTogether = 100;

/** What the choice of victims depends on besides the pod. */
export interface PreemptionInput {
  readonly index: NodeIndex;
  readonly plugins: readonly Plugin[];
  readonly budgets: Budgets;
  /** Pods whose eviction has been decided and not been done yet. */
  underway(): readonly PodInfo[];
  /** Whether the pod's eviction was refused a short time ago: it is no victim until that time is over. */
  isRefused(pod: PodInfo): boolean;
}

/** A node that would take the pod if the victims went. */
export interface Preemption {
  readonly node: NodeInfo;
  /** Of lower priority, each of them needed. */
  readonly victims: readonly PodInfo[];
  /** How many of the victims' removals violate a disruption budget. */
  readonly violations: number;
}

/** Why no removal helps, in Kubernetes' words: a list of reasons for each node. */
export interface NoPreemption {
  readonly node?: undefined;
  readonly reasons: readonly (readonly string[])[];
}

const noVictims = ['No preemption victims found for incoming pod'];
const notHelpful = ['Preemption is not helpful for scheduling'];

/**
 * The best way to make room for a pod that fits nowhere (Kubernetes, `pickOneNodeForPreemption`): the node with the fewest violations of
 * disruption budgets; of those the one whose most important victim is the least important; then the one with the least sum of
 * priorities, with the fewest victims, and whose most important victims started last. The index is as it was when it returns.
 */
export function findPreemption(
  entry: PodInfo,
  rejections: readonly (readonly [NodeInfo, Rejection])[],
  input: PreemptionInput,
): Preemption | NoPreemption {
  const { index, plugins } = input;
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
    const candidates = [...node.pods].filter((pod) => isVictim(pod, entry) && !input.isRefused(pod));
    if (candidates.length === 0 || (together && tried >= mostTriedTogether)) return noVictims;
    tried++;
    const found = neededVictims(node, candidates, input, rejectionOf);
    if ('reasons' in found) return found.reasons;
    if (!best || isCheaper(found, best)) best = found;
    return [];
  });
  return best ?? { reasons };
}

type RejectionOf = (node: NodeInfo) => Rejection | undefined;

/** A pod on its way to being stored is left alone; one that only has a place kept for it is not. */
function isVictim(pod: PodInfo, by: PodInfo): boolean {
  return pod.priority < by.priority && (!pod.assumed || pod.reserved);
}

/**
 * Takes all candidates off the node; if the pod fits then, puts back those that leave it fitting: first those that a budget guards, each time
 * the most important first, and last what costs nothing to remove. Else says why it does not fit.
 */
function neededVictims(
  node: NodeInfo,
  candidates: readonly PodInfo[],
  { index, budgets, underway }: PreemptionInput,
  rejectionOf: RejectionOf,
): Preemption | Rejection {
  const ordered = candidates.toSorted(moreImportantFirst);
  const costly = ordered.filter(isCostly);
  const violating = budgets.violating(costly, underway());
  const free = ordered.filter((pod) => !isCostly(pod)).sort((a, b) => Number(a.reserved) - Number(b.reserved));
  for (const pod of ordered) index.lift(pod);
  const inVain = rejectionOf(node);
  if (inVain) {
    for (const pod of ordered) index.putBack(pod, node);
    return inVain;
  }
  const victims: PodInfo[] = [];
  for (const pod of [...violating, ...costly.filter((pod) => !violating.has(pod)), ...free]) {
    index.putBack(pod, node);
    if (!rejectionOf(node)) continue;
    index.lift(pod);
    victims.push(pod);
  }
  for (const pod of victims) index.putBack(pod, node);
  victims.sort(moreImportantFirst);
  return { node, victims, violations: victims.filter((pod) => violating.has(pod)).length };
}

/** Pods that are going anyway, and places that are only kept, cost nothing. */
function isCostly({ deleting, reserved }: PodInfo): boolean {
  return !deleting && !reserved;
}

/** By priority, then the longest running; a pod that has not started is the youngest. */
function moreImportantFirst(a: PodInfo, b: PodInfo): number {
  return b.priority - a.priority || order(startOf(a), startOf(b)) || order(a.created, b.created) || order(a.key, b.key);
}

function order<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function startOf({ started = Number.POSITIVE_INFINITY }: PodInfo): number {
  return started;
}

function isCheaper(a: Preemption, b: Preemption): boolean {
  const [left, right] = [cost(a), cost(b)];
  for (const [at, value] of left.entries()) if (value !== right[at]) return value < (right[at] ?? 0);
  return false;
}

function cost({ victims, violations }: Preemption): number[] {
  const costly = victims.filter(isCostly);
  const most = costly.reduce((max, { priority }) => Math.max(max, priority), Number.NEGATIVE_INFINITY);
  // Counted from the least priority there can be, so that more victims never sum up to less.
  const sum = costly.reduce((total, { priority }) => total + priority + 2 ** 31, 0);
  const starts = costly.filter(({ priority }) => priority === most).map(startOf);
  return [violations, most, sum, costly.length, -Math.min(...starts)];
}
