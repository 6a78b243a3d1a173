import { parseTime } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { isPodReady, isPodRefused, isPodTerminal } from '../../../shared/pod.ts';
import { availableInMs } from '../owned-pods/availability.ts';
import { rankForDeletion } from '../owned-pods/deletion-order.ts';

/** The next step for one owner. */
export interface ReplicaPlan {
  /** How many pods to create from the template. */
  readonly create: number;
  readonly delete: readonly Pod[];
  readonly counts: ReplicaCounts;
  /** Milliseconds until a ready pod becomes available or the backoff of rejected pods ends. */
  readonly requeueAfterMs?: number;
}

export interface ReplicaCounts {
  readonly replicas: number;
  readonly fullyLabeledReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

/** Backoff of a template that nodes reject: doubling from first to cap; older rejections do not count. */
const rejectedFirstMs = 1_000;
const rejectedCapMs = 60_000;
const rejectedWindowMs = 3_600_000;

/** The most pods that one reconciliation creates or deletes, as in Kubernetes; the next one continues. */
export const burst = 500;

/**
 * Decides for an owner with `pods` (without those that it deleted). Pods that have ended or are being deleted do not count: they are
 * replaced, with a backoff where nodes reject them.
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
  const backoffMs = missing > 0 ? rejectionBackoffMs(input.pods, now) : 0;
  const waits = active.map((pod) => availableInMs(pod, minReadySeconds, now));
  const soon = [...waits, backoffMs].filter((ms) => ms > 0 && Number.isFinite(ms));
  const labels = Object.entries(input.templateLabels);
  return {
    create: backoffMs > 0 ? 0 : Math.min(Math.max(0, missing), burst),
    delete: missing < 0 ? rankForDeletion(active).slice(0, Math.min(-missing, burst)) : [],
    counts: {
      replicas: active.length,
      fullyLabeledReplicas: active.filter((pod) => labels.every(([k, v]) => pod.metadata.labels?.[k] === v)).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: waits.filter((ms) => ms <= 0).length,
    },
    ...(soon.length > 0 ? { requeueAfterMs: Math.min(...soon) } : {}),
  };
}

/**
 * Milliseconds until pods may be created again after nodes rejected the last ones. Computed from the pods, so that it survives a change
 * of leader; pods of one second count as one attempt.
 */
function rejectionBackoffMs(pods: readonly Pod[], now: number): number {
  const tries = new Set<number>();
  for (const pod of pods) {
    const created = parseTime(pod.metadata.creationTimestamp);
    if (!isPodRefused(pod) || created === undefined || created <= now - rejectedWindowMs) continue;
    // A time in the future comes from a clock that was set back since.
    if (created <= now + rejectedCapMs) tries.add(created);
  }
  const delay = Math.min(rejectedCapMs, rejectedFirstMs * 2 ** (tries.size - 1));
  return Math.max(0, Math.max(...tries) + delay - now);
}
