import { formatTime, parseTime } from '../../../shared/clock.ts';
import type { CronJob, CronJobStatus, Job, ObjectReference } from '../../../shared/generated/types.ts';
import { endOf, referenceTo, tickOf } from './job.ts';
import type { Ticks } from './schedule.ts';

export interface CronJobState {
  readonly cronJob: CronJob;
  /** The Jobs that it controls. */
  readonly jobs: readonly Job[];
  readonly ticks: Ticks;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Ticks up to this moment are not made up for, since the schedule was another. */
  readonly changedAt?: number;
}

/** The next step for one CronJob. */
export interface CronJobPlan {
  /** The tick to start a Job for, once `replace` are deleted. */
  readonly start?: { readonly tick: number; readonly replace: readonly Job[] };
  /** Finished Jobs beyond the history limits; deleted after the status is written, which keeps their ticks. */
  readonly forget: readonly Job[];
  /** The status before the start. */
  readonly status: CronJobStatus;
  readonly events: readonly CronJobEvent[];
  /** Milliseconds until the next look. */
  readonly requeueAfterMs?: number;
}

export interface CronJobEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** More missed ticks than this are reported, as in Kubernetes. */
const manyMissed = 100;
/** The longest wait: a jump of the wall clock is noticed within it. */
const longestWaitMs = 60_000;

/** Decides what a CronJob starts and keeps (Kubernetes' cronjob controller, version 2). */
export function planCronJob(state: CronJobState): CronJobPlan {
  const { cronJob, jobs } = state;
  const events: CronJobEvent[] = [];
  const status = statusOf(state, events);
  const forget = beyondHistory(cronJob, jobs);
  const { deletionTimestamp } = cronJob.metadata;
  if (deletionTimestamp || cronJob.spec.suspend) return { forget, status, events };
  const { ticks, now } = state;
  const base = parseTime(status.lastScheduleTime ?? cronJob.metadata.creationTimestamp) ?? now;
  const latest = ticks.latest(base, now);
  const next = ticks.next(latest ?? base);
  const requeueAfterMs = next === undefined ? longestWaitMs : Math.min(Math.max(1, next - now), longestWaitMs);
  const start = latest === undefined ? undefined : startOf(state, { tick: latest, base, status, events });
  if (status.lastScheduleTime && base > now + longestWaitMs) {
    events.push(warning('ClockSkew', `No job is started before ${rfc1123(base)}, the last scheduled time`));
  }
  return { forget, status, events, requeueAfterMs, ...(start ? { start } : {}) };
}

interface Due {
  readonly tick: number;
  /** The last tick before that was dealt with, or the creation. */
  readonly base: number;
  readonly status: CronJobStatus;
  readonly events: CronJobEvent[];
}

function startOf(state: CronJobState, { tick, base, status, events }: Due): CronJobPlan['start'] {
  const { cronJob, jobs, ticks, now, changedAt } = state;
  const { startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec;
  if (changedAt !== undefined && tick <= changedAt) return undefined;
  const deadline = startingDeadlineSeconds === undefined ? undefined : startingDeadlineSeconds * 1000;
  if (deadline !== undefined && tick + deadline < now) {
    events.push(warning('MissSchedule', `Missed scheduled time to start a job: ${rfc1123(tick)}`));
    return undefined;
  }
  const active = new Set(status.active?.map(({ uid }) => uid));
  if (concurrencyPolicy === 'Forbid' && active.size > 0) {
    const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
    events.push({ type: 'Normal', reason: 'JobAlreadyActive', message });
    return undefined;
  }
  if (missesMany(ticks, Math.max(base, deadline === undefined ? base : now - deadline), tick)) {
    const message = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
    events.push(warning('TooManyMissedTimes', message));
  }
  const replace = concurrencyPolicy === 'Replace' ? jobs.filter(({ metadata }) => active.has(metadata.uid)) : [];
  return { tick, replace };
}

/** Whether there are more than 100 ticks in (after, tick]. */
function missesMany(ticks: Ticks, after: number, tick: number): boolean {
  let at: number | undefined = after;
  for (let count = 0; count <= manyMissed; count++) {
    at = ticks.next(at);
    if (at === undefined || at > tick) return false;
  }
  return true;
}

/** The status by the Jobs that are there. A Job that was started before a crash is taken up, with its tick. */
function statusOf({ cronJob, jobs }: CronJobState, events: CronJobEvent[]): CronJobStatus {
  const { active = [], lastScheduleTime, lastSuccessfulTime } = cronJob.status ?? {};
  const listed = new Set(active.map(({ uid }) => uid));
  const byUid = new Map(jobs.map((job) => [job.metadata.uid, job]));
  const kept: ObjectReference[] = [];
  for (const reference of active) {
    const job = byUid.get(reference.uid ?? '');
    const end = job && endOf(job);
    if (job && !end) {
      kept.push(reference);
      continue;
    }
    const [reason, message] = end
      ? ['SawCompletedJob', `Saw completed job: ${reference.name}, condition: ${end}`]
      : ['MissingJob', `Active job went missing: ${reference.name}`];
    events.push({ type: 'Normal', reason, message });
  }
  let last = parseTime(lastScheduleTime);
  let succeeded = parseTime(lastSuccessfulTime);
  for (const job of jobs) {
    const tick = tickOf(cronJob, job);
    if (tick !== undefined) last = Math.max(last ?? tick, tick);
    const end = endOf(job);
    const completed = end === 'Complete' ? parseTime(job.status?.completionTime) : undefined;
    if (completed !== undefined) succeeded = Math.max(succeeded ?? completed, completed);
    if (end || listed.has(job.metadata.uid)) continue;
    if (tick !== undefined) kept.push(referenceTo(job));
    const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
    events.push(warning('UnexpectedJob', message));
  }
  return {
    ...(kept.length > 0 ? { active: kept } : {}),
    ...(last === undefined ? {} : { lastScheduleTime: formatTime(last) }),
    ...(succeeded === undefined ? {} : { lastSuccessfulTime: formatTime(succeeded) }),
  };
}

/** Finished Jobs beyond the limits, the oldest. */
function beyondHistory({ spec }: CronJob, jobs: readonly Job[]): Job[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = spec;
  const limits = { Complete: successfulJobsHistoryLimit, Failed: failedJobsHistoryLimit } as const;
  return (['Complete', 'Failed'] as const).flatMap((end) => {
    const limit = limits[end];
    if (limit === undefined) return [];
    const ended = jobs.filter((job) => endOf(job) === end && !job.metadata.deletionTimestamp).sort(byStart);
    return ended.slice(0, Math.max(0, ended.length - limit));
  });
}

/** By start time, those without one last; then by name. */
function byStart(a: Job, b: Job): number {
  const [x, y] = [a, b].map(({ status }) => parseTime(status?.startTime) ?? Number.MAX_SAFE_INTEGER);
  return (x ?? 0) - (y ?? 0) || (a.metadata.name < b.metadata.name ? -1 : 1);
}

function warning(reason: string, message: string): CronJobEvent {
  return { type: 'Warning', reason, message };
}

/** As Go's time.RFC1123Z, in UTC. */
function rfc1123(at: number): string {
  return new Date(at).toUTCString().replace('GMT', '+0000');
}
