import { isDeepStrictEqual } from 'node:util';
import type { Job, StatusCause } from '../../generated/types.ts';
import { duplicate, invalid, invalidWhole, required } from '../../schema/causes.ts';
import { IndexSet } from '../rules/index-set.ts';

const conditions = 'status.conditions';

/**
 * What a written status must obey, in the words of Kubernetes' batch validation. A rule about a field holds when the field changes: a change
 * of the spec may leave a status behind that its controller has yet to correct.
 */
export function validateJobStatus(job: Job, old: Job, causes: StatusCause[]): void {
  validateUncounted(job, causes);
  validateCounters(job, old, causes);
  validateTimes(job, old, causes);
  validateFinished(job, old, causes);
  validateConditions(job, old, causes);
  validateIndexes(job, old, causes);
}

function is({ status }: Job, type: string): boolean {
  return status?.conditions?.some((one) => one.type === type && one.status === 'True') === true;
}

function isFinished(job: Job): boolean {
  return is(job, 'Complete') || is(job, 'Failed');
}

function validateUncounted({ status }: Job, causes: StatusCause[]): void {
  const seen = new Set<string>();
  for (const list of ['succeeded', 'failed'] as const) {
    for (const [index, uid] of (status?.uncountedTerminatedPods?.[list] ?? []).entries()) {
      const field = `status.uncountedTerminatedPods.${list}[${index}]`;
      if (uid === '') causes.push(invalid(field, uid, 'must not be empty'));
      else if (seen.has(uid)) causes.push(duplicate(field, uid));
      else seen.add(uid);
    }
  }
}

function validateCounters({ spec, status }: Job, old: Job, causes: StatusCause[]): void {
  const { failed = 0, succeeded = 0 } = status ?? {};
  if (failed < (old.status?.failed ?? 0)) {
    causes.push(invalid('status.failed', failed, 'cannot decrease the failed counter'));
  }
  // An Indexed Job whose completions follow its parallelism may be scaled down.
  const elastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  if (!elastic && succeeded < (old.status?.succeeded ?? 0)) {
    causes.push(invalid('status.succeeded', succeeded, 'cannot decrease the succeeded counter'));
  }
}

function validateTimes(job: Job, old: Job, causes: StatusCause[]): void {
  const { startTime, completionTime } = job.status ?? {};
  const before = old.status ?? {};
  const started = startTime !== before.startTime;
  const completed = completionTime !== before.completionTime;
  const field = 'status.completionTime';
  if (completed || is(job, 'Complete') !== is(old, 'Complete')) {
    if (completionTime !== undefined && !is(job, 'Complete')) {
      const why = 'cannot set completionTime when there is no Complete=True condition';
      causes.push(invalid(field, completionTime, why));
    }
    if (completionTime === undefined && is(job, 'Complete')) {
      causes.push(required(field, 'completionTime is required for Complete jobs'));
    }
  }
  if (completionTime && before.completionTime && completed) {
    causes.push(invalid(field, completionTime, 'completionTime cannot be mutated'));
  }
  if ((started || completed) && startTime && completionTime && Date.parse(completionTime) < Date.parse(startTime)) {
    causes.push(invalid(field, completionTime, 'completionTime cannot be set before startTime'));
  }
  // A Job that resumes begins its time anew.
  if (started && before.startTime !== undefined && !job.spec.suspend && !is(old, 'Suspended')) {
    causes.push(required('status.startTime', 'startTime cannot be removed for unsuspended job'));
  }
}

function validateFinished(job: Job, old: Job, causes: StatusCause[]): void {
  if (!isFinished(job)) return;
  const { active = 0, startTime, uncountedTerminatedPods } = job.status ?? {};
  const became = !isFinished(old);
  if (active > 0 && (became || active !== (old.status?.active ?? 0))) {
    causes.push(invalid('status.active', active, 'active>0 is invalid for finished job'));
  }
  if (startTime === undefined && (became || old.status?.startTime !== undefined)) {
    causes.push(required('status.startTime', 'startTime is required for finished job'));
  }
  const uncounted = (uncountedTerminatedPods?.succeeded?.length ?? 0) + (uncountedTerminatedPods?.failed?.length ?? 0);
  const changed = !isDeepStrictEqual(uncountedTerminatedPods, old.status?.uncountedTerminatedPods);
  if (uncounted > 0 && (became || changed)) {
    const why = 'uncountedTerminatedPods needs to be empty for finished job';
    causes.push(invalid('status.uncountedTerminatedPods', uncountedTerminatedPods, why));
  }
}

function validateConditions(job: Job, old: Job, causes: StatusCause[]): void {
  const fail = (why: string): void => void causes.push(invalidWhole(conditions, why));
  const changed = (type: string): boolean => is(job, type) !== is(old, type);
  const completes = changed('Complete');
  if (is(job, 'Complete') && is(job, 'Failed') && (completes || changed('Failed'))) {
    fail('cannot set Complete=True and Failed=true conditions');
  }
  if (is(job, 'Complete') && is(job, 'FailureTarget') && (completes || changed('FailureTarget'))) {
    fail('cannot set Complete=True and FailureTarget=true conditions');
  }
  if (is(job, 'Failed') && !is(job, 'FailureTarget') && changed('Failed')) {
    fail('cannot set Failed=True condition without the FailureTarget=true condition');
  }
  if (is(job, 'Complete') && !is(job, 'SuccessCriteriaMet') && completes) {
    fail('cannot set Complete=True condition without the SuccessCriteriaMet=true condition');
  }
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (is(old, type) && !is(job, type)) fail(`cannot disable the terminal ${type}=True condition`);
  }
  if (is(job, 'SuccessCriteriaMet')) {
    if (is(job, 'Failed')) fail('cannot set SuccessCriteriaMet=True and Failed=true conditions');
    if (is(job, 'FailureTarget')) fail('cannot set SuccessCriteriaMet=True and FailureTarget=true conditions');
    if (is(old, 'Complete') && !is(old, 'SuccessCriteriaMet')) {
      fail('cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions');
    }
  } else if (is(old, 'SuccessCriteriaMet')) fail('cannot disable the SuccessCriteriaMet=True condition');
}

function validateIndexes({ spec, status }: Job, old: Job, causes: StatusCause[]): void {
  const { completedIndexes = '', failedIndexes } = status ?? {};
  const { completions = 0, completionMode, backoffLimitPerIndex } = spec;
  const completedChanged = completedIndexes !== (old.status?.completedIndexes ?? '');
  const failedChanged = failedIndexes !== old.status?.failedIndexes;
  const field = 'status.failedIndexes';
  const completed = IndexSet.parse(completedIndexes, completions);
  const failed = IndexSet.parse(failedIndexes ?? '', completions);
  if (completedChanged && completedIndexes !== '' && completionMode !== 'Indexed') {
    const why = 'cannot set non-empty completedIndexes when non-indexed completion mode';
    causes.push(invalid('status.completedIndexes', completedIndexes, why));
  } else if (completedChanged && typeof completed === 'string') {
    const why = `error parsing completedIndexes: ${completed}`;
    causes.push(invalid('status.completedIndexes', completedIndexes, why));
  }
  if (failedChanged && failedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    causes.push(invalid(field, failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'));
  } else if (failedChanged && typeof failed === 'string') {
    causes.push(invalid(field, failedIndexes, `error parsing failedIndexes: ${failed}`));
  }
  if (typeof completed === 'string' || typeof failed === 'string') return;
  if ((completedChanged || failedChanged) && completed.common(failed) > 0) {
    causes.push(invalid(field, failedIndexes, 'failedIndexes and completedIndexes overlap'));
  }
}
