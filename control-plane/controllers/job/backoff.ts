import { finishedAt, type JobPod } from './pods.ts';

/** Between failures and the creation of further pods: doubling from first to cap (ms), as in Kubernetes. */
const firstMs = 10_000;
const capMs = 10 * 60_000;
/** With this many failures the delay is at its cap. */
const enough = 7;

/** The failures of a Job since its last success, the latest ones: uid of the pod → when it failed, in milliseconds since the epoch. */
export type RecentFailures = ReadonlyMap<string, number>;

/**
 * The failures since the last success. What is known is rebuilt from the pods that exist, so a restart of the controller forgets only pods
 * that are gone.
 */
export function recentFailures(before: RecentFailures, pods: readonly JobPod[]): RecentFailures {
  const lastSuccess = Math.max(
    Number.NEGATIVE_INFINITY,
    ...pods.filter(({ state }) => state === 'succeeded').map(({ pod }) => finishedAt(pod)),
  );
  const failed = pods.filter((one) => one.failed);
  const all = new Map([...before, ...failed.map(({ uid, pod }) => [uid, finishedAt(pod)] as const)]);
  const later = [...all].filter(([, at]) => at > lastSuccess).sort((a, b) => a[1] - b[1]);
  return new Map(later.slice(-enough));
}

/** Milliseconds until pods may be created again. */
export function backoffMs(failures: RecentFailures, now: number): number {
  return remainingMs(failures.size, Math.max(...failures.values()), now);
}

/** Milliseconds from `now` until `count` failures, the last one at `lastAt`, are waited for. */
export function remainingMs(count: number, lastAt: number, now: number): number {
  if (count <= 0) return 0;
  const delay = count >= enough ? capMs : Math.min(firstMs * 2 ** (count - 1), capMs);
  return Math.max(0, lastAt + delay - now);
}
