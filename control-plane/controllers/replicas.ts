import type { Pod } from '../../shared/generated/types.ts';
import { isPodReady, isPodTerminal, podCondition } from '../../shared/pod.ts';
import { rankForDeletion } from './rank.ts';

/** What a replicating controller should do next for one owner. */
export interface ReplicaPlan {
  /** How many pods to cut from the template. */
  readonly create: number;
  readonly delete: readonly Pod[];
  readonly counts: ReplicaCounts;
  /** When, in milliseconds from now, a ready pod becomes available, if one is about to. */
  readonly lookAgainMs?: number;
}

export interface ReplicaCounts {
  readonly replicas: number;
  readonly fullyLabeledReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

/** One reconciliation makes or removes no more than this many pods; the next one goes on. */
export const burst = 500;

/**
 * Decides for an owner that wants `replicas` pods and has `pods` (its own, none of them deleted by it). Pods that have ended or are
 * being deleted do not count: they are replaced.
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
  const waits = active.map((pod) => availableInMs(pod, minReadySeconds, now));
  const soon = waits.filter((ms) => ms > 0 && Number.isFinite(ms));
  const labels = Object.entries(input.templateLabels);
  return {
    create: Math.min(Math.max(0, missing), burst),
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
