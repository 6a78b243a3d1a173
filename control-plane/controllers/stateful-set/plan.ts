import type { Pod, StatefulSet, StatefulSetStatus } from '../../../shared/generated/types.ts';
import { resolveIntOrPercent } from '../../../shared/kinds/rules/int-or-percent.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { availableInMs } from '../owned-pods/availability.ts';
import { isWanted, ordinalOf, ordinalRange, revisionOf } from './identity.ts';
import { isServing, type Members, statefulSetStatus } from './status.ts';

/** `pods`: one that the controller has deleted has a deletionTimestamp until it is gone. */
export interface StatefulSetState extends Members {
  /** Milliseconds until a pod that has ended may be replaced. */
  endedBackoffMs(pod: Pod): number;
}

/** A pod to create, from the template of a revision. */
export interface NewPod {
  readonly ordinal: number;
  readonly revision: string;
}

/** The next step for one StatefulSet. */
export interface StatefulSetPlan {
  readonly create: readonly NewPod[];
  readonly delete: readonly Pod[];
  readonly status: StatefulSetStatus;
  /** Milliseconds until the plan changes by time alone. */
  readonly requeueAfterMs?: number;
}

/** An ordinal that the set should have. */
interface Slot {
  readonly ordinal: number;
  /** The revision that a new pod of it gets. */
  readonly revision: string;
  readonly pod: Pod | undefined;
}

/** A pod of an ordinal that the set should not have. */
interface Surplus {
  readonly ordinal: number;
  readonly pod: Pod;
}

/**
 * Decides the pods of a StatefulSet (Kubernetes' stateful set controller). OrderedReady takes one step at a time: creations by ordinal,
 * then deletions, then the update. Parallel takes all steps at once. A pod is created only when none has its name.
 */
export function planStatefulSet(state: StatefulSetState): StatefulSetPlan {
  const steps = new Steps(state);
  const slots = slotsOf(state);
  const surplus = surplusOf(state);
  if (state.set.spec.podManagementPolicy === 'Parallel') stepAtOnce(slots, surplus, state, steps);
  else stepInOrder(slots, surplus, state, steps);
  const { minReadySeconds = 0 } = state.set.spec;
  for (const pod of state.pods) steps.wait(availableInMs(pod, minReadySeconds, state.now));
  return {
    create: steps.creations,
    delete: [...steps.deletions],
    status: statefulSetStatus(state),
    ...(steps.requeueAfterMs === undefined ? {} : { requeueAfterMs: steps.requeueAfterMs }),
  };
}

/** Collects the steps of a plan. */
class Steps {
  readonly creations: NewPod[] = [];
  readonly deletions = new Set<Pod>();
  requeueAfterMs: number | undefined;
  readonly #state: StatefulSetState;

  constructor(state: StatefulSetState) {
    this.#state = state;
  }

  create({ ordinal, revision }: Slot): void {
    this.creations.push({ ordinal, revision });
  }

  delete(pod: Pod): void {
    if (!isLeaving(pod)) this.deletions.add(pod);
  }

  /** Deletes a pod that has ended, unless it is in backoff: it is created again once it is gone. */
  replaceEnded(pod: Pod): void {
    const ms = this.#state.endedBackoffMs(pod);
    if (ms > 0) this.wait(ms);
    else this.delete(pod);
  }

  wait(ms: number): void {
    if (ms > 0 && Number.isFinite(ms)) this.requeueAfterMs = Math.min(this.requeueAfterMs ?? ms, ms);
  }
}

/** By ordinal. */
function slotsOf({ set, pods, currentRevision, updateRevision }: StatefulSetState): Slot[] {
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
  const { start, end } = ordinalRange(set);
  return Array.from({ length: end - start }, (_, index) => {
    const ordinal = start + index;
    const revision = ordinal < updateFrom(set) ? currentRevision : updateRevision;
    return { ordinal, revision, pod: byOrdinal.get(ordinal) };
  });
}

/** The highest ordinal first. */
function surplusOf({ set, pods }: StatefulSetState): Surplus[] {
  const all = pods.flatMap((pod) => {
    const ordinal = ordinalOf(set, pod);
    return ordinal === undefined || isWanted(set, ordinal) ? [] : [{ ordinal, pod }];
  });
  return all.sort((a, b) => b.ordinal - a.ordinal);
}

function stepAtOnce(slots: readonly Slot[], surplus: readonly Surplus[], state: StatefulSetState, steps: Steps): void {
  for (const slot of slots) bringUp(slot, state, steps);
  for (const { pod } of surplus) steps.delete(pod);
  rollOut(slots, state, steps);
}

/** A slot that is not available ends the step: all others wait for it. */
function stepInOrder(slots: readonly Slot[], surplus: readonly Surplus[], state: StatefulSetState, steps: Steps): void {
  const first = slots.find((slot) => !isAvailable(slot.pod, state));
  const [highest] = surplus;
  if (first) bringUp(first, state, steps);
  else if (!highest) rollOut(slots, state, steps);
  else if (mayLeave(highest, surplus, state)) steps.delete(highest.pod);
}

/** Creates the pod of a slot, or deletes one that does not become available by itself. */
function bringUp(slot: Slot, state: StatefulSetState, steps: Steps): void {
  if (!slot.pod) steps.create(slot);
  else if (isPodTerminal(slot.pod)) steps.replaceEnded(slot.pod);
  else if (isBroken(slot, state)) steps.delete(slot.pod);
}

/**
 * A pod that is not available and of another revision than its slot's. It is replaced without a wait for it, so that a fix reaches the
 * pods of a broken revision (kubernetes#67250); nothing that is available is lost by that.
 */
function isBroken({ pod, revision }: Slot, state: StatefulSetState): boolean {
  return pod !== undefined && isRolling(state.set) && !isAvailable(pod, state) && revisionOf(pod) !== revision;
}

/**
 * As in Kubernetes a scale-down waits for a pod that is not available, unless all surplus pods below it are. It does not wait for a pod
 * that has ended, nor for one that an update would replace: neither recovers.
 */
function mayLeave({ pod }: Surplus, surplus: readonly Surplus[], state: StatefulSetState): boolean {
  if (isAvailable(pod, state) || isPodTerminal(pod)) return true;
  if (isRolling(state.set) && revisionOf(pod) !== state.updateRevision) return true;
  return surplus.findLast((one) => !isAvailable(one.pod, state))?.pod === pod;
}

/** Deletes available pods of other revisions, the highest ordinal first, as maxUnavailable allows. */
function rollOut(slots: readonly Slot[], state: StatefulSetState, steps: Steps): void {
  if (!isRolling(state.set)) return;
  const available = slots.filter((slot) => isAvailable(slot.pod, state));
  const allowed = maxUnavailable(state.set) - (slots.length - available.length);
  const outdated = available.flatMap(({ ordinal, pod }) =>
    pod && ordinal >= updateFrom(state.set) && revisionOf(pod) !== state.updateRevision ? [pod] : [],
  );
  for (const pod of outdated.reverse().slice(0, Math.max(0, allowed))) steps.delete(pod);
}

function isRolling({ spec }: StatefulSet): boolean {
  return spec.updateStrategy?.type !== 'OnDelete';
}

/** The first ordinal that an update reaches: `partition` counts from the start ordinal. */
function updateFrom(set: StatefulSet): number {
  return ordinalRange(set).start + (set.spec.updateStrategy?.rollingUpdate?.partition ?? 0);
}

/** A percentage is of the wanted pods, rounded down; at least 1. */
export function maxUnavailable({ spec }: StatefulSet): number {
  const value = spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  return Math.max(1, resolveIntOrPercent(value, spec.replicas ?? 1, Math.floor));
}

function isAvailable(pod: Pod | undefined, { set, now }: StatefulSetState): boolean {
  if (!pod || isLeaving(pod) || !isServing(pod)) return false;
  return availableInMs(pod, set.spec.minReadySeconds ?? 0, now) <= 0;
}

function isLeaving({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined;
}
