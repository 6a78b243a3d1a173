import { firstRejection, prepare } from '../../shared/scheduling/checks.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import type { Check, Plugin, Rejection, Rejections } from '../../shared/scheduling/plugin.ts';
import type { Budgets } from './budgets.ts';

/** Nodes that are tried when plugins of scope `cluster` apply, each of which costs a pass over all nodes. */
const mostTriedWithCluster = 100;

/** What the choice of victims depends on, besides the pod. */
export interface PreemptionInput {
  readonly index: NodeIndex;
  readonly plugins: readonly Plugin[];
  readonly budgets: Budgets;
  /** Pods whose eviction is pending. */
  evicting(): readonly PodInfo[];
  /** Whether the pod's eviction was refused a short time ago: it is not chosen as a victim. */
  isRefused(pod: PodInfo): boolean;
}

/** A node that would take the pod without the victims. */
export interface Preemption {
  readonly node: NodeInfo;
  /** Of lower priority; none can be left out. */
  readonly victims: readonly PodInfo[];
  /** How many of the victims' removals violate a disruption budget. */
  readonly violations: number;
}

/** Why no preemption helps, in Kubernetes' words: a list of reasons for each node. */
export interface NoPreemption {
  readonly node?: undefined;
  readonly reasons: readonly (readonly string[])[];
}

const noVictims = ['No preemption victims found for incoming pod'];
const notHelpful = ['Preemption is not helpful for scheduling'];

/**
 * The best preemption for an unschedulable pod (Kubernetes, `pickOneNodeForPreemption`): the node with the fewest violations of
 * disruption budgets; of those the one whose most important victim is the least important; then the one with the least sum of
 * priorities, with the fewest victims, and whose most important victims started last. The index is as it was when it returns.
 */
export function findPreemption(
  info: PodInfo,
  rejections: Rejections,
  input: PreemptionInput,
): Preemption | NoPreemption {
  const { index, plugins } = input;
  if (index.lowestPriority >= info.priority) {
    return { reasons: rejections.map(([, { resolvable }]) => (resolvable ? noVictims : notHelpful)) };
  }
  const compares = prepare(plugins, 'cluster', info.shape, index).length > 0;
  const fixed = [...prepare(plugins, 'node', info.shape, index), ...prepare(plugins, 'local', info.shape, index)];
  const rejectionOf: RejectionOf = (node) => {
    const checks: readonly Check[] = compares ? [...fixed, ...prepare(plugins, 'cluster', info.shape, index)] : fixed;
    return firstRejection(checks, node);
  };
  let best: Preemption | undefined;
  let tried = 0;
  const reasons = rejections.map(([node, { resolvable }]) => {
    if (!resolvable) return notHelpful;
    const candidates = [...node.pods].filter((pod) => isVictim(pod, info) && !input.isRefused(pod));
    if (candidates.length === 0 || (compares && tried >= mostTriedWithCluster)) return noVictims;
    tried++;
    const found = neededVictims(node, candidates, input, rejectionOf);
    if ('reasons' in found) return found.reasons;
    if (!best || isCheaper(found, best)) best = found;
    return [];
  });
  return best ?? { reasons };
}

type RejectionOf = (node: NodeInfo) => Rejection | undefined;

/** Pods with a binding in flight are no victims; nominated pods are. */
function isVictim(pod: PodInfo, by: PodInfo): boolean {
  return pod.priority < by.priority && (!pod.assumed || pod.nominated);
}

/**
 * Removes all candidates; if the pod fits then, puts back as many as possible ("reprieve"): first those whose removal violates a budget,
 * then the most important, last those without cost. Returns the rejection when the pod does not fit.
 */
function neededVictims(
  node: NodeInfo,
  candidates: readonly PodInfo[],
  { index, budgets, evicting }: PreemptionInput,
  rejectionOf: RejectionOf,
): Preemption | Rejection {
  const ordered = candidates.toSorted(moreImportantFirst);
  const costly = ordered.filter(isCostly);
  const violating = budgets.violating(costly, evicting());
  const free = ordered.filter((pod) => !isCostly(pod)).sort((a, b) => Number(a.nominated) - Number(b.nominated));
  for (const pod of ordered) index.simulateRemoval(pod);
  const rejection = rejectionOf(node);
  if (rejection) {
    for (const pod of ordered) index.undoRemoval(pod, node);
    return rejection;
  }
  const victims: PodInfo[] = [];
  for (const pod of [...violating, ...costly.filter((pod) => !violating.has(pod)), ...free]) {
    index.undoRemoval(pod, node);
    if (!rejectionOf(node)) continue;
    index.simulateRemoval(pod);
    victims.push(pod);
  }
  for (const pod of victims) index.undoRemoval(pod, node);
  victims.sort(moreImportantFirst);
  return { node, victims, violations: victims.filter((pod) => violating.has(pod)).length };
}

/** Pods that are terminating and pods that are only nominated are victims without cost. */
function isCostly({ deleting, nominated }: PodInfo): boolean {
  return !deleting && !nominated;
}

/** By priority, then by start time, the oldest first; a pod that has not started is the youngest. */
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
  // Counted from the lowest possible priority, so that more victims never have a smaller sum.
  const sum = costly.reduce((total, { priority }) => total + priority + 2 ** 31, 0);
  const starts = costly.filter(({ priority }) => priority === most).map(startOf);
  return [violations, most, sum, costly.length, -Math.min(...starts)];
}
