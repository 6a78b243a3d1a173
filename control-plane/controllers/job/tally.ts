import type { Job } from '../../../shared/generated/types.ts';
import { IndexSet } from '../../../shared/kinds/rules/index-set.ts';
import { judgeFailure } from './failure-policy.ts';
import { indexFailures, isIndexed, type JobPod } from './pods.ts';

/** How many pods may wait in the status for their finalizers to go. */
const maxUncounted = 500;

/** The uids of pods that have ended and are not in the counters yet. */
export interface Uncounted {
  readonly succeeded: readonly string[];
  readonly failed: readonly string[];
}

/** What a Job has come to: what its status counts, and the pods that have ended since. */
export interface Tally {
  /** The counters of the status, with the pods that have lost their finalizer. */
  readonly succeeded: number;
  readonly failed: number;
  /** The pods that the status names and whose finalizer is still there. */
  readonly uncounted: Uncounted;
  /** Of an Indexed Job. */
  readonly completedIndexes: IndexSet;
  /** Of an Indexed Job with a backoff limit of each index. */
  readonly failedIndexes?: IndexSet;
  /** All successes and failures, counted or not. */
  readonly totalSucceeded: number;
  readonly totalFailed: number;
}

/**
 * Counts each pod once: a pod with the tracking finalizer is new, or waits in the status; it moves to the counters when the finalizer is
 * gone. A completion index is counted by itself.
 */
export function tallyPods({ spec, status }: Job, pods: readonly JobPod[]): Tally {
  const tracked = new Set(pods.filter((one) => one.tracked).map(({ uid }) => uid));
  const before = status?.uncountedTerminatedPods;
  const uncounted = {
    succeeded: (before?.succeeded ?? []).filter((uid) => tracked.has(uid)),
    failed: (before?.failed ?? []).filter((uid) => tracked.has(uid)),
  };
  const waiting = new Set([...uncounted.succeeded, ...uncounted.failed]);
  const fresh = pods.filter((one) => one.tracked && !waiting.has(one.uid) && isCountable({ spec }, one));
  const succeeding = fresh.filter(({ state }) => state === 'succeeded');
  const failing = fresh.filter((one) => one.failed && judgeFailure(spec.podFailurePolicy, one.pod).counts);
  const failed = (status?.failed ?? 0) + (before?.failed?.length ?? 0) - uncounted.failed.length;
  const totalFailed = failed + uncounted.failed.length + failing.length;
  if (!isIndexed(spec)) {
    const succeeded = (status?.succeeded ?? 0) + (before?.succeeded?.length ?? 0) - uncounted.succeeded.length;
    const totalSucceeded = succeeded + uncounted.succeeded.length + succeeding.length;
    return { succeeded, failed, uncounted, completedIndexes: IndexSet.empty, totalSucceeded, totalFailed };
  }
  const completedIndexes = IndexSet.below(spec.completions ?? 0, status?.completedIndexes).union(
    IndexSet.of(succeeding.map(({ index = 0 }) => index)),
  );
  const failedIndexes = failedIndexesOf({ spec, status }, pods, completedIndexes);
  const succeeded = completedIndexes.size;
  const counts = { succeeded, failed, totalSucceeded: succeeded, totalFailed };
  return { ...counts, uncounted, completedIndexes, ...(failedIndexes ? { failedIndexes } : {}) };
}

/** Of an Indexed Job only pods with one of its indexes count. */
function isCountable({ spec }: Pick<Job, 'spec'>, { index }: JobPod): boolean {
  return !isIndexed(spec) || index !== undefined;
}

/** The indexes that have failed for good; one that has succeeded stays so. */
function failedIndexesOf(
  { spec, status }: Pick<Job, 'spec' | 'status'>,
  pods: readonly JobPod[],
  completed: IndexSet,
): IndexSet | undefined {
  const { backoffLimitPerIndex, completions = 0, podFailurePolicy } = spec;
  if (backoffLimitPerIndex === undefined) return undefined;
  const failing = pods.filter(({ pod, index, failed, tracked }) => {
    if (index === undefined || !failed || !tracked || completed.has(index)) return false;
    const verdict = judgeFailure(podFailurePolicy, pod);
    if (verdict.action === 'FailIndex') return true;
    return verdict.counts && indexFailures(pod).counted >= backoffLimitPerIndex;
  });
  const before = IndexSet.below(completions, status?.failedIndexes);
  return before.union(IndexSet.of(failing.map(({ index = 0 }) => index)));
}

/** The pods that the next status names, and those whose finalizer may go once it is written. */
export interface Counting {
  readonly uncounted: Uncounted;
  readonly release: readonly JobPod[];
}

/** `decided`: the pods whose fate is decided. `failing`: the Job fails, and pods that have not ended count as failed. */
export function countPods(job: Job, before: Uncounted, decided: readonly JobPod[], failing: boolean): Counting {
  const succeeded = [...before.succeeded];
  const failed = [...before.failed];
  const waiting = new Set([...succeeded, ...failed]);
  const release: JobPod[] = [];
  for (const one of decided) {
    if (!waiting.has(one.uid)) {
      if (succeeded.length + failed.length >= maxUncounted) continue;
      if (one.state === 'succeeded') {
        // A completion index needs no uid: it is in the status from this write on.
        if (!isIndexed(job.spec)) succeeded.push(one.uid);
      } else if (one.failed || failing) {
        if (isCountable(job, one) && judgeFailure(job.spec.podFailurePolicy, one.pod).counts) failed.push(one.uid);
      }
    }
    release.push(one);
  }
  return { uncounted: { succeeded, failed }, release };
}
