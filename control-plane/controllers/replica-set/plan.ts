import { parseTime } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { isPodReady, isPodRefused, isPodTerminal, podCondition } from '../../../shared/pod.ts';
import { rankForDeletion } from '../owned-pods/deletion-order.ts';

/** What a replicating controller should do next for one owner. */
export interface ReplicaPlan {
  /** How many pods to cut from the template. */
  readonly create: number;
  readonly delete: readonly Pod[];
  readonly counts: ReplicaCounts;
  /** When, in milliseconds from now, a ready pod becomes available or pods may be made again, if one of them is about to be. */
  readonly lookAgainMs?: number;
}

export interface ReplicaCounts {
  readonly replicas: number;
  readonly fullyLabeledReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

/** Between two tries of a template that nodes refuse: doubling from first to cap; tries of longer ago do not count. */
const refusedFirstMs = 1_000;
const refusedCapMs = 60_000;
const refusedMemoryMs = 3_600_000;

/** One reconciliation makes or removes no more than this many pods; the next one goes on. */
export const burst = 500;

/**
 * Decides for an owner that wants `replicas` pods and has `pods` (its own, none of them deleted by it). Pods that have ended or are
 * being deleted do not count: they are replaced, with a backoff where nodes refuse them.
 */
export function planReplicas(input: {
  replicas: number;
  minReadySeconds: number;
  templateLabels: Readonly<Record<string, string>>;
  pods: readonly Pod[];
  /** Milliseconds since the epoch. */
  now: number;
}): ReplicaPlan {
  const { replicas, minReadySeconds, now } = input;
  const active = input.pods.filter((pod) => !isPodTerminal(pod) && !pod.metadata.deletionTimestamp);
  const missing = replicas - active.length;
  const heldMs = missing > 0 ? refusedForMs(input.pods, now) : 0;
  const waits = active.map((pod) => availableInMs(pod, minReadySeconds, now));
  const soon = [...waits, heldMs].filter((ms) => ms > 0 && Number.isFinite(ms));
  const labels = Object.entries(input.templateLabels);
  return {
    create: heldMs > 0 ? 0 : Math.min(Math.max(0, missing), burst),
    delete: missing < 0 ? rankForDeletion(active).slice(0, Math.min(-missing, burst)) : [],
    counts: {
      replicas: active.length,
      fullyLabeledReplicas: active.filter((pod) => labels.every(([k, v]) => pod.metadata.labels?.[k] === v)).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: waits.filter((ms) => ms <= 0).length,
    },
    ...(soon.length > 0 ? { lookAgainMs: Math.min(...soon) } : {}),
  };
}

/** Milliseconds until the pod has been ready for `minReadySeconds`; 0 or less when it has, Infinity when it is not ready. */
function availableInMs(pod: Pod, minReadySeconds: number, now: number): number {
  if (!isPodReady(pod)) return Number.POSITIVE_INFINITY;
  if (minReadySeconds === 0) return 0;
  const since = podCondition(pod, 'Ready')?.lastTransitionTime;
  return since ? Date.parse(since) + minReadySeconds * 1000 - now : Number.POSITIVE_INFINITY;
}

/**
 * How long no pods are made because nodes refused the last ones: a template that names its node is refused at once, as often as it is
 * tried. Counted from the pods, so that it outlives the controller; those that were made in one second are one try. Milliseconds.
 */
function refusedForMs(pods: readonly Pod[], now: number): number {
  const tries = new Set<number>();
  for (const pod of pods) {
    const created = parseTime(pod.metadata.creationTimestamp);
    if (!isPodRefused(pod) || created === undefined || created <= now - refusedMemoryMs) continue;
    // One from after now is of a clock that was put back since: it says nothing of how long ago it was.
    if (created <= now + refusedCapMs) tries.add(created);
  }
  const delay = Math.min(refusedCapMs, refusedFirstMs * 2 ** (tries.size - 1));
  return Math.max(0, Math.max(...tries) + delay - now);
}
