import type { DaemonSet, DaemonSetStatus, Node, Pod } from '../../../shared/generated/types.ts';
import { resolveIntOrPercent } from '../../../shared/kinds/rules/int-or-percent.ts';
import { oldestFirst } from '../../../shared/object.ts';
import { isPodAvailable, isPodReady, isPodTerminal } from '../../../shared/pod.ts';
import { availableInMs } from '../owned-pods/availability.ts';
import { nodeEligibility } from './nodes.ts';
import { revisionLabel, targetNode } from './pod.ts';

export interface DaemonSetState {
  readonly daemonSet: DaemonSet;
  /** The hash of the present template. */
  readonly hash: string;
  readonly nodes: readonly Node[];
  /** The DaemonSet's pods, without those that the controller has deleted. */
  readonly pods: readonly Pod[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Milliseconds until the failed pods of a node may be replaced. */
  failedBackoffMs(node: string): number;
}

/** The next step for one DaemonSet. */
export interface DaemonPlan {
  /** Nodes that get a pod of the present template. */
  readonly create: readonly string[];
  readonly delete: readonly Pod[];
  readonly status: DaemonSetStatus;
  /** Milliseconds until the plan changes by time alone. */
  readonly requeueAfterMs?: number;
}

/** The most pods that one reconciliation creates or deletes, as in Kubernetes; the next one continues. */
export const burst = 250;

/** A node with the DaemonSet's pods on it, or for it. */
interface Slot {
  readonly node: Node;
  readonly shouldRun: boolean;
  readonly mayStay: boolean;
  /** The oldest first. */
  readonly pods: readonly Pod[];
}

/**
 * Decides the pods of a DaemonSet: one on each eligible node, and a rolling update within maxUnavailable and maxSurge (Kubernetes'
 * daemon controller). The update starts on nodes where nothing else is to be done.
 */
export function planDaemonSet(state: DaemonSetState): DaemonPlan {
  const { daemonSet, now } = state;
  const slots = slotsOf(state);
  const steps = new Steps(state);
  for (const slot of slots) manage(slot, state, steps);
  const names = new Set(slots.map(({ node }) => node.metadata.name));
  // Pods for nodes that are gone: those that were bound are the node controller's.
  for (const pod of state.pods) {
    if (!pod.spec.nodeName && !names.has(targetNode(pod) ?? '')) steps.delete(pod);
  }
  if (daemonSet.spec.updateStrategy?.type !== 'OnDelete') rollOut(slots, state, steps);
  for (const pod of state.pods) steps.wait(availableInMs(pod, daemonSet.spec.minReadySeconds ?? 0, now));
  return {
    create: [...steps.creations].slice(0, burst),
    delete: [...steps.deletions].slice(0, burst),
    status: statusOf(slots, state),
    ...(steps.requeueAfterMs === undefined ? {} : { requeueAfterMs: steps.requeueAfterMs }),
  };
}

/** Collects the steps of a plan. */
class Steps {
  readonly creations = new Set<string>();
  readonly deletions = new Set<Pod>();
  requeueAfterMs: number | undefined;
  readonly #state: DaemonSetState;

  constructor(state: DaemonSetState) {
    this.#state = state;
  }

  create(node: string): void {
    this.creations.add(node);
  }

  delete(pod: Pod): void {
    if (!pod.metadata.deletionTimestamp) this.deletions.add(pod);
  }

  /** Deletes a failed pod, unless its node is in backoff. */
  replaceFailed(node: string, pod: Pod): void {
    const ms = this.#state.failedBackoffMs(node);
    if (ms > 0) this.wait(ms);
    else this.delete(pod);
  }

  wait(ms: number): void {
    if (ms > 0 && Number.isFinite(ms)) this.requeueAfterMs = Math.min(this.requeueAfterMs ?? ms, ms);
  }
}

function slotsOf({ daemonSet, nodes, pods }: DaemonSetState): Slot[] {
  const byNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const name = targetNode(pod);
    if (name === undefined) continue;
    const same = byNode.get(name);
    if (same) same.push(pod);
    else byNode.set(name, [pod]);
  }
  const eligibility = nodeEligibility(daemonSet);
  return nodes.map((node) => ({
    node,
    ...eligibility(node),
    pods: (byNode.get(node.metadata.name) ?? []).sort(oldestFirst),
  }));
}

/** Brings a node to one pod of any template, or to none. */
function manage({ node, shouldRun, mayStay, pods }: Slot, state: DaemonSetState, steps: Steps): void {
  const { name } = node.metadata;
  if (!mayStay) {
    for (const pod of pods) steps.delete(pod);
    return;
  }
  if (pods.length === 0) {
    if (shouldRun) steps.create(name);
    return;
  }
  const running: Pod[] = [];
  for (const pod of pods) {
    if (pod.metadata.deletionTimestamp) continue;
    if (!isPodTerminal(pod)) running.push(pod);
    else if (pod.status?.phase === 'Failed') steps.replaceFailed(name, pod);
    else steps.delete(pod);
  }
  const { maxSurge } = bounds(state, 1);
  if (maxSurge === 0) for (const pod of running.slice(1)) steps.delete(pod);
  else keepOneOfEach(running, state, steps);
}

/** With a surge a node may have one pod of the present template beside an older one, until the new one is available. */
function keepOneOfEach(running: readonly Pod[], state: DaemonSetState, steps: Steps): void {
  const [current, ...moreCurrent] = running.filter((pod) => isCurrent(pod, state));
  const [old, ...moreOld] = running.filter((pod) => !isCurrent(pod, state));
  for (const pod of [...moreCurrent, ...moreOld]) steps.delete(pod);
  if (current && old && (!isPodReady(old) || isAvailable(current, state))) steps.delete(old);
}

/** One step of a rolling update. */
function rollOut(slots: readonly Slot[], state: DaemonSetState, steps: Steps): void {
  const eligible = slots.filter(({ shouldRun, pods }) => shouldRun || pods.length > 0);
  const { maxSurge, maxUnavailable } = bounds(state, slots.filter(({ shouldRun }) => shouldRun).length);
  if (maxSurge > 0) surge(eligible, maxSurge, state, steps);
  else replace(eligible, maxUnavailable, state, steps);
}

/** Deletes old pods: those that are not available at once, others as maxUnavailable allows. */
function replace(slots: readonly Slot[], maxUnavailable: number, state: DaemonSetState, steps: Steps): void {
  let unavailable = 0;
  const candidates: Pod[] = [];
  for (const slot of slots) {
    const { current, old, single } = updateState(slot, state);
    if (!single || !(current || old)) unavailable++;
    else if (current) unavailable += isAvailable(current, state) ? 0 : 1;
    else if (old && !isAvailable(old, state)) steps.delete(old);
    else if (old) candidates.push(old);
  }
  for (const pod of candidates.slice(0, Math.max(0, maxUnavailable - unavailable))) steps.delete(pod);
}

/** Creates pods of the present template beside old ones, as maxSurge allows; beside an old one that is not available at once. */
function surge(slots: readonly Slot[], maxSurge: number, state: DaemonSetState, steps: Steps): void {
  let surged = 0;
  const candidates: string[] = [];
  for (const slot of slots) {
    const { name } = slot.node.metadata;
    const { current, old, single } = updateState(slot, state);
    if (!single && !(current && old)) surged++;
    else if (!old) continue;
    else if (current) surged += isAvailable(current, state) ? 0 : 1;
    else if (!slot.shouldRun) continue;
    else if (!isAvailable(old, state)) steps.create(name);
    else candidates.push(name);
  }
  for (const name of candidates.slice(0, Math.max(0, maxSurge - surged))) steps.create(name);
}

/** The pods of a node that are not being deleted. `single`: exactly one of the two, once. */
function updateState({ pods }: Slot, state: DaemonSetState) {
  const active = pods.filter((pod) => !pod.metadata.deletionTimestamp && !isPodTerminal(pod));
  const current = active.find((pod) => isCurrent(pod, state));
  const old = active.find((pod) => !isCurrent(pod, state));
  return { current, old, single: active.length === 1 };
}

function statusOf(slots: readonly Slot[], state: DaemonSetState): DaemonSetStatus {
  const counts = { desired: 0, current: 0, misscheduled: 0, ready: 0, available: 0, updated: 0 };
  for (const { shouldRun, pods } of slots) {
    const [oldest] = pods;
    if (!shouldRun) {
      if (oldest) counts.misscheduled++;
      continue;
    }
    counts.desired++;
    if (!oldest) continue;
    counts.current++;
    // During a surge the pod that serves counts.
    const best = pods.find((pod) => isAvailable(pod, state)) ?? pods.find(isPodReady) ?? oldest;
    if (isPodReady(best)) counts.ready++;
    if (isAvailable(best, state)) counts.available++;
    if (pods.some((pod) => isCurrent(pod, state))) counts.updated++;
  }
  const unavailable = counts.desired - counts.available;
  const { collisionCount } = state.daemonSet.status ?? {};
  return {
    currentNumberScheduled: counts.current,
    numberMisscheduled: counts.misscheduled,
    desiredNumberScheduled: counts.desired,
    numberReady: counts.ready,
    observedGeneration: state.daemonSet.metadata.generation,
    ...(counts.updated > 0 ? { updatedNumberScheduled: counts.updated } : {}),
    ...(counts.available > 0 ? { numberAvailable: counts.available } : {}),
    ...(unavailable > 0 ? { numberUnavailable: unavailable } : {}),
    ...(collisionCount ? { collisionCount } : {}),
  };
}

/** Percentages are of the nodes that should have a pod, rounded up. One of the two is at least 1. */
export function bounds({ daemonSet }: DaemonSetState, desired: number): { maxSurge: number; maxUnavailable: number } {
  const rolling = daemonSet.spec.updateStrategy?.rollingUpdate;
  const maxSurge = resolveIntOrPercent(rolling?.maxSurge ?? 0, desired, Math.ceil);
  const maxUnavailable = resolveIntOrPercent(rolling?.maxUnavailable ?? 1, desired, Math.ceil);
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge, maxUnavailable: 1 } : { maxSurge, maxUnavailable };
}

function isCurrent({ metadata }: Pod, { hash }: DaemonSetState): boolean {
  return metadata.labels?.[revisionLabel] === hash;
}

function isAvailable(pod: Pod, { daemonSet, now }: DaemonSetState): boolean {
  return !pod.metadata.deletionTimestamp && isPodAvailable(pod, daemonSet.spec.minReadySeconds ?? 0, now);
}
