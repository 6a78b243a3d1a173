import { formatTime } from '../../../shared/clock.ts';
import type { Job, JobCondition, JobStatus } from '../../../shared/generated/types.ts';
import { isPodReady, withCondition as replaceCondition } from '../../../shared/pod.ts';
import type { JobPlan } from './plan.ts';
import { isIndexed, type JobPod } from './pods.ts';

/** What the pods will be like when the plan is carried out. */
export interface PodCounts {
  readonly active: number;
  readonly ready: number;
  readonly terminating: number;
}

/** `created`: how many pods of the plan exist now. */
export function podCounts(pods: readonly JobPod[], { withdraw, stop }: JobPlan, created: number): PodCounts {
  const leaving = new Set([...withdraw, ...stop]);
  const active = pods.filter((one) => one.state === 'active' && !leaving.has(one));
  const terminating = pods.filter(({ state }) => state === 'terminating').length + leaving.size;
  return { active: active.length + created, ready: active.filter(({ pod }) => isPodReady(pod)).length, terminating };
}

/** The next status of a Job. `now`: milliseconds since the epoch. */
export function jobStatus(job: Job, plan: JobPlan, counts: PodCounts, now: number): JobStatus {
  const { spec, status = {} } = job;
  const { tally, counting, outcome } = plan;
  const time = formatTime(now);
  const conditions = nextConditions(job, plan, counts, time);
  const completed = !isTrue(status.conditions, 'Complete') && isTrue(conditions, 'Complete');
  const { succeeded, failed } = counting.uncounted;
  const startTime = nextStart(job, outcome !== undefined, time);
  const completionTime = completed ? time : status.completionTime;
  return {
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(startTime === undefined ? {} : { startTime }),
    ...(completionTime === undefined ? {} : { completionTime }),
    ...(counts.active > 0 ? { active: counts.active } : {}),
    ...(tally.succeeded > 0 ? { succeeded: tally.succeeded } : {}),
    ...(tally.failed > 0 ? { failed: tally.failed } : {}),
    terminating: counts.terminating,
    ...(isIndexed(spec) && tally.completedIndexes.size > 0 ? { completedIndexes: `${tally.completedIndexes}` } : {}),
    ...(tally.failedIndexes ? { failedIndexes: `${tally.failedIndexes}` } : {}),
    uncountedTerminatedPods: {
      ...(succeeded.length > 0 ? { succeeded: [...succeeded] } : {}),
      ...(failed.length > 0 ? { failed: [...failed] } : {}),
    },
    ready: counts.ready,
  };
}

export function isTrue(conditions: readonly JobCondition[] | undefined, type: string): boolean {
  return conditions?.some((one) => one.type === type && one.status === 'True') === true;
}

/** Set once it is not suspended; resuming starts the time anew, since the deadline counts active time only. */
function nextStart({ spec, status }: Job, ends: boolean, time: string): string | undefined {
  const resumes = !spec.suspend && !ends && isTrue(status?.conditions, 'Suspended');
  if (resumes) return time;
  return status?.startTime ?? (spec.suspend && !ends ? undefined : time);
}

function nextConditions(
  { metadata, spec, status }: Job,
  plan: JobPlan,
  counts: PodCounts,
  time: string,
): JobCondition[] {
  const before = status?.conditions ?? [];
  const { outcome, counting } = plan;
  if (outcome) {
    const { type, reason, message } = outcome;
    const decided = withCondition(before, { type, status: 'True', reason, message }, time);
    const { succeeded, failed } = counting.uncounted;
    const waits = succeeded.length + failed.length + counting.release.length + counts.active + counts.terminating;
    if (waits > 0) return decided;
    const end = type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed';
    return withCondition(decided, { type: end, status: 'True', reason, message }, time);
  }
  if (metadata.deletionTimestamp !== undefined) return [...before];
  if (spec.suspend) {
    const suspended = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' };
    return withCondition(before, suspended, time);
  }
  if (!before.some(({ type }) => type === 'Suspended')) return [...before];
  const resumed = { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' };
  return withCondition(before, resumed, time);
}

/** The list with a condition of this time; one of the same status, reason and message stays as it is. */
function withCondition(list: readonly JobCondition[], next: JobCondition, time: string): JobCondition[] {
  return replaceCondition(list, { ...next, lastProbeTime: time, lastTransitionTime: time });
}
