import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { hasCause, isApiError, messageOf } from '../../../shared/errors.ts';
import type { CronJob, CronJobStatus, Job } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { parseSchedule } from '../../../shared/kinds/rules/cron-schedule.ts';
import { controllerOf, keyOf } from '../../../shared/object.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { Expectations, unsatisfiedRequeueMs } from '../expectations.ts';
import { writeStatus } from '../status-patch.ts';
import { endOf, jobOf, referenceTo } from './job.ts';
import { type CronJobEvent, type CronJobPlan, planCronJob } from './plan.ts';
import { type Ticks, ticksOf } from './schedule.ts';

/** What the controller remembers of a CronJob; losing it costs a repeated event at most. */
interface Memory {
  /** The events of the last plan: one is reported when the plan before had it not. */
  said: ReadonlySet<string>;
  /** When the schedule or its zone was changed. */
  changedAt?: number;
  schedule?: { readonly text: string; readonly ticks: Ticks | string };
}

/** Starts a Job at each tick of a CronJob's schedule, at most one a tick, and deletes finished ones beyond the history limits. */
export function createCronJobController(deps: ControllerDeps): Controller {
  const { client, informers, clock, events } = deps;
  const cronJobs = informers.of('CronJob');
  const jobs = informers.of('Job');
  const expectations = new Expectations(clock);
  const memories = new Map<string, Memory>();

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'CronJob') {
      if (after) noteChange(key, before as CronJob | undefined, after as CronJob);
      else memories.delete(key);
      yield key;
      return;
    }
    for (const job of [before, after]) {
      const owner = job && controllerOf(job);
      if (owner?.kind === 'CronJob') yield `${job?.metadata.namespace}/${owner.name}`;
    }
  }

  function noteChange(key: string, before: CronJob | undefined, after: CronJob): void {
    if (before && scheduleText(before) !== scheduleText(after)) memoryOf(key).changedAt = clock.now();
  }

  function memoryOf(key: string): Memory {
    const memory = memories.get(key) ?? { said: new Set() };
    memories.set(key, memory);
    return memory;
  }

  async function reconcile(key: string): Promise<number | undefined> {
    const cronJob = cronJobs.get(key);
    if (!cronJob) return undefined;
    if (!expectations.satisfied(key, informers.revision)) return unsatisfiedRequeueMs;
    const memory = memoryOf(key);
    const ticks = ticksFor(cronJob, memory);
    if (typeof ticks === 'string') {
      report(cronJob, memory, [{ type: 'Warning', reason: 'UnparseableSchedule', message: ticks }]);
      return undefined;
    }
    const owned = [...jobs.by('owner', cronJob.metadata.uid)];
    const { changedAt } = memory;
    const plan = planCronJob({ cronJob, jobs: owned, ticks, now: clock.now(), changedAt });
    report(cronJob, memory, plan.events);
    const { status, failure } = await carryOut(cronJob, plan);
    await storeStatus(cronJob, status);
    if (failure) throw failure;
    for (const job of plan.forget) await remove(cronJob, job);
    return plan.requeueAfterMs;
  }

  /** Starts the Job that is due. Returns the status afterwards, in any case. */
  async function carryOut(
    cronJob: CronJob,
    { start, status }: CronJobPlan,
  ): Promise<{ status: CronJobStatus; failure?: unknown }> {
    if (!start) return { status };
    const replaced = new Set<string | undefined>();
    try {
      for (const job of start.replace) {
        await remove(cronJob, job);
        replaced.add(job.metadata.uid);
      }
      const job = await startJob(cronJob, start.tick);
      const active = status.active?.filter(({ uid }) => !replaced.has(uid) && uid !== job?.metadata.uid) ?? [];
      if (!job) return { status: { ...status, active } };
      const lastScheduleTime = formatTime(start.tick);
      // A Job of the name may be there from before a crash, or from a tick in the same minute.
      const running = endOf(job) ? active : [...active, referenceTo(job)];
      return { status: { ...status, active: running, lastScheduleTime } };
    } catch (failure) {
      const active = status.active?.filter(({ uid }) => !replaced.has(uid)) ?? [];
      return { status: { ...status, active }, failure };
    }
  }

  /** Undefined when another owner's Job has the name, or the namespace is being deleted. */
  async function startJob(cronJob: CronJob, tick: number): Promise<Job | undefined> {
    const draft = jobOf(cronJob, tick);
    try {
      const job = await client.create('Job', draft);
      expectations.expect(keyOf(cronJob), job);
      events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata.name}`);
      return job;
    } catch (error) {
      if (hasCause(error, 'NamespaceTerminating')) return undefined;
      const { name = '', namespace } = draft.metadata;
      if (isApiError(error, 'AlreadyExists')) {
        const job = await client.get('Job', name, namespace);
        if (controllerOf(job)?.uid === cronJob.metadata.uid) return job;
      }
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${messageOf(error)}`);
      throw error;
    }
  }

  async function remove(cronJob: CronJob, { metadata }: Job): Promise<void> {
    const { name, namespace, uid } = metadata;
    try {
      const options = { namespace, propagationPolicy: 'Background', preconditions: { uid } };
      await client.delete('Job', name, options);
    } catch (error) {
      if (isApiError(error, 'NotFound', 'Conflict')) return;
      events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${messageOf(error)}`);
      throw error;
    }
    events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`);
  }

  async function storeStatus(cronJob: CronJob, given: CronJobStatus): Promise<void> {
    const { active, ...rest } = given;
    const status = active?.length ? { active, ...rest } : rest;
    if (isDeepStrictEqual(status, withoutEmpty(cronJob.status))) return;
    await writeStatus(client, expectations, 'CronJob', cronJob, status);
  }

  function report(cronJob: CronJob, memory: Memory, planned: readonly CronJobEvent[]): void {
    const said = new Set<string>();
    for (const { type, reason, message } of planned) {
      const text = `${reason} ${message}`;
      if (!memory.said.has(text)) events.event(cronJob, type, reason, message);
      said.add(text);
    }
    memory.said = said;
  }

  return { name: 'cronjob-controller', kinds: ['CronJob', 'Job'], workers: 4, keysOf, reconcile };
}

function scheduleText({ spec }: CronJob): string {
  return `${spec.timeZone ?? ''} ${spec.schedule}`;
}

/** The ticks of a CronJob's schedule, or why there are none. */
function ticksFor(cronJob: CronJob, memory: Memory): Ticks | string {
  const text = scheduleText(cronJob);
  if (memory.schedule?.text !== text) memory.schedule = { text, ticks: parseTicks(cronJob) };
  return memory.schedule.ticks;
}

function parseTicks({ spec }: CronJob): Ticks | string {
  const parsed = parseSchedule(spec.schedule);
  if ('fault' in parsed) return `unparseable schedule: ${JSON.stringify(spec.schedule)} : ${parsed.fault}`;
  return ticksOf(parsed, spec.timeZone);
}

/** An empty list of active Jobs is no list. */
function withoutEmpty({ active, ...rest }: CronJobStatus = {}): CronJobStatus {
  return active?.length ? { active, ...rest } : rest;
}
