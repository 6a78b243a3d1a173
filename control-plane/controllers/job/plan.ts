import type { Job } from '../../../shared/generated/types.ts';
import { rankForDeletion } from '../owned-pods/deletion-order.ts';
import { backoffMs, type RecentFailures, remainingMs } from './backoff.ts';
import { deadlineAt, jobOutcome, type Outcome } from './outcome.ts';
import { finishedAt, indexFailures, isIndexed, type JobPod, replacesOnlyEnded } from './pods.ts';
import { type Counting, countPods, type Tally, tallyPods } from './tally.ts';

/** How many pods are created or withdrawn in one reconciliation. */
const maxPerPass = 500;

export interface JobState {
  readonly job: Job;
  /** All pods that the Job controls. */
  readonly pods: readonly JobPod[];
  readonly failures: RecentFailures;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A pod to create. `replaces`: the failed pod of its index, whose failures it inherits. */
export interface NewPod {
  readonly index?: number;
  readonly replaces?: JobPod;
}

/** What to do about a Job that has not finished, in this order: create and withdraw, write the status, stop, release. */
export interface JobPlan {
  readonly outcome?: Outcome;
  readonly tally: Tally;
  readonly create: readonly NewPod[];
  /** Active pods that are too many: they lose the finalizer, then they are deleted, and count as nothing. */
  readonly withdraw: readonly JobPod[];
  /** Active pods that are deleted because the Job ends. */
  readonly stop: readonly JobPod[];
  readonly counting: Counting;
  readonly requeueAfterMs?: number;
}

type Changes = Pick<JobPlan, 'create' | 'withdraw' | 'requeueAfterMs'>;
const noChanges: Changes = { create: [], withdraw: [] };

export function planJob(state: JobState): JobPlan {
  const { job, pods, now } = state;
  const tally = tallyPods(job, pods);
  const deleted = job.metadata.deletionTimestamp !== undefined;
  const outcome = jobOutcome(job, pods, tally, now);
  const ends = deleted || outcome !== undefined;
  const delayed = delayedFailures(job, pods, tally);
  const kept = new Set(delayed.values());
  const decided = pods.filter((one) => {
    if (!one.tracked) return false;
    return ends || one.state === 'succeeded' || (one.failed && !kept.has(one));
  });
  const { create, withdraw, requeueAfterMs } = ends ? noChanges : changes(state, tally, delayed);
  const deadline = ends ? undefined : deadlineAt(job);
  const waits = [requeueAfterMs, deadline === undefined ? undefined : deadline - now];
  const soonest = Math.min(...waits.filter((ms) => ms !== undefined));
  return {
    ...(outcome ? { outcome } : {}),
    tally,
    create,
    withdraw,
    stop: outcome ? pods.filter(({ state }) => state === 'active') : [],
    counting: countPods(job, tally.uncounted, decided, outcome?.type === 'FailureTarget'),
    ...(Number.isFinite(soonest) ? { requeueAfterMs: Math.max(0, soonest) } : {}),
  };
}

/** The pods to create or to withdraw. */
function changes({ job, pods, failures, now }: JobState, tally: Tally, delayed: ReadonlyMap<number, JobPod>): Changes {
  const { spec } = job;
  const active = pods.filter(({ state }) => state === 'active');
  if (spec.suspend) return { create: [], withdraw: active };
  const wanted = wantedActive(job, active.length, tally);
  const withdraw = surplus(job, active, active.length - wanted, tally);
  if (withdraw.length > 0) return { create: [], withdraw: withdraw.slice(0, maxPerPass) };
  const leaving = replacesOnlyEnded(spec) ? pods.filter(({ state }) => state === 'terminating') : [];
  const missing = Math.min(wanted - active.length - leaving.length, maxPerPass);
  if (missing <= 0) return noChanges;
  const busy = new Set([...active, ...leaving].map(({ index }) => index));
  if (tally.failedIndexes) return replacements({ job, missing, busy, tally, delayed, now });
  const wait = backoffMs(failures, now);
  if (wait > 0) return { ...noChanges, requeueAfterMs: wait };
  if (!isIndexed(spec)) return { create: Array.from({ length: missing }, () => ({})), withdraw: [] };
  const indexes = tally.completedIndexes.missing(missing, spec.completions ?? 0, (index) => busy.has(index));
  return { create: indexes.map((index) => ({ index })), withdraw: [] };
}

/** How many pods should be active: never more than completions are left, nor than parallelism. */
function wantedActive({ spec }: Job, active: number, { totalSucceeded }: Tally): number {
  const parallelism = spec.parallelism ?? 1;
  // After the first success nothing new is started, and what runs may end.
  if (spec.completions === undefined) return totalSucceeded > 0 ? active : parallelism;
  return Math.max(0, Math.min(parallelism, spec.completions - totalSucceeded));
}

/**
 * The active pods to withdraw: those that can never be counted (without finalizer, or with no index of the Job), all but one of an index,
 * those of an index that has ended, then the first in the order of deletion.
 */
function surplus({ spec }: Job, active: readonly JobPod[], count: number, tally: Tally): JobPod[] {
  const of = new Map(active.map((one) => [one.pod, one]));
  const ranked = rankForDeletion(active.map(({ pod }) => pod)).flatMap((pod) => of.get(pod) ?? []);
  const taken = new Set<number>();
  const isUseless = ({ tracked, index }: JobPod): boolean => {
    if (!tracked) return true;
    if (!isIndexed(spec)) return false;
    if (index === undefined || taken.has(index)) return true;
    taken.add(index);
    return tally.completedIndexes.has(index) || tally.failedIndexes?.has(index) === true;
  };
  // Of one index the last in the order of deletion stays.
  const useless = new Set([...ranked].reverse().filter(isUseless));
  const others = ranked.filter((one) => !useless.has(one));
  return [...useless, ...others.slice(0, Math.max(0, count - useless.size))];
}

interface Replacing {
  readonly job: Job;
  readonly missing: number;
  /** The indexes that have a pod. */
  readonly busy: ReadonlySet<number | undefined>;
  readonly tally: Tally;
  readonly delayed: ReadonlyMap<number, JobPod>;
  readonly now: number;
}

/** Pods for the lowest indexes that lack one and whose own backoff is over. */
function replacements({ job, missing, busy, tally, delayed, now }: Replacing): Changes {
  let soonest = Number.POSITIVE_INFINITY;
  const isBlocked = (index: number): boolean => {
    if (busy.has(index) || tally.failedIndexes?.has(index)) return true;
    const before = delayed.get(index);
    if (!before) return false;
    const { counted, ignored } = indexFailures(before.pod);
    const wait = remainingMs(counted + ignored + 1, finishedAt(before.pod), now);
    if (wait > 0) soonest = Math.min(soonest, wait);
    return wait > 0;
  };
  const indexes = tally.completedIndexes.missing(missing, job.spec.completions ?? 0, isBlocked);
  const create = indexes.map((index): NewPod => {
    const replaces = delayed.get(index);
    return { index, ...(replaces ? { replaces } : {}) };
  });
  return { create, withdraw: [], ...(Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {}) };
}

/**
 * With a backoff limit of each index: of each index without an active pod the last failed pod. It keeps the finalizer until another pod
 * has taken over its number of failures.
 */
function delayedFailures(job: Job, pods: readonly JobPod[], tally: Tally): Map<number, JobPod> {
  const last = new Map<number, JobPod>();
  if (job.spec.backoffLimitPerIndex === undefined) return last;
  const active = new Set(pods.filter(({ state, tracked }) => state === 'active' && tracked).map(({ index }) => index));
  for (const one of pods) {
    const { index } = one;
    if (!one.failed || !one.tracked || index === undefined || active.has(index)) continue;
    if (tally.completedIndexes.has(index) || tally.failedIndexes?.has(index)) continue;
    const before = last.get(index);
    if (!before || isLater(one, before)) last.set(index, one);
  }
  return last;
}

function isLater({ pod: a }: JobPod, { pod: b }: JobPod): boolean {
  const [ours, theirs] = [indexFailures(a), indexFailures(b)];
  const more = ours.counted + ours.ignored - theirs.counted - theirs.ignored;
  return more === 0 ? finishedAt(a) >= finishedAt(b) : more > 0;
}
