import { parseTime } from '../../../shared/clock.ts';
import type { Job, JobCondition, Pod, SuccessPolicy } from '../../../shared/generated/types.ts';
import { IndexSet } from '../../../shared/kinds/rules/index-set.ts';
import { judgeFailure } from './failure-policy.ts';
import { isIndexed, type JobPod } from './pods.ts';
import type { Tally } from './tally.ts';

/** How a Job ends, from when that is decided until all its pods have ended. */
export interface Outcome {
  readonly type: 'SuccessCriteriaMet' | 'FailureTarget';
  readonly reason: string;
  readonly message: string;
}

export function jobCondition({ status }: Job, type: string): JobCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export function isFinished(job: Job): boolean {
  return ['Complete', 'Failed'].some((type) => jobCondition(job, type)?.status === 'True');
}

/** What a Job ends with; undefined: it goes on. A decision that the status has stays. */
export function jobOutcome(job: Job, pods: readonly JobPod[], tally: Tally, now: number): Outcome | undefined {
  return decided(job) ?? failure(job, pods, tally, now) ?? success(job, pods, tally);
}

function decided(job: Job): Outcome | undefined {
  for (const type of ['SuccessCriteriaMet', 'FailureTarget'] as const) {
    const condition = jobCondition(job, type);
    if (condition?.status === 'True') return { type, reason: condition.reason ?? '', message: condition.message ?? '' };
  }
  return undefined;
}

function failure(job: Job, pods: readonly JobPod[], tally: Tally, now: number): Outcome | undefined {
  const { spec } = job;
  const fail = (reason: string, message: string): Outcome => ({ type: 'FailureTarget', reason, message });
  for (const { pod, failed } of pods) {
    const verdict = failed ? judgeFailure(spec.podFailurePolicy, pod) : undefined;
    if (verdict?.action === 'FailJob') return fail('PodFailurePolicy', verdict.message);
  }
  if (tally.totalFailed > (spec.backoffLimit ?? 6) || isPastRestarts(job, pods)) {
    return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const deadline = deadlineAt(job);
  if (deadline !== undefined && now >= deadline) {
    return fail('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  const { failedIndexes } = tally;
  if (!failedIndexes) return undefined;
  if (spec.maxFailedIndexes !== undefined && failedIndexes.size > spec.maxFailedIndexes) {
    return fail('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const ended = failedIndexes.size + tally.completedIndexes.size;
  const all = failedIndexes.size > 0 && ended >= (spec.completions ?? 0);
  return all ? fail('FailedIndexes', 'Job has failed indexes') : undefined;
}

function success({ spec, metadata }: Job, pods: readonly JobPod[], tally: Tally): Outcome | undefined {
  const { completions, successPolicy } = spec;
  const rule = isIndexed(spec) ? matchedRule(successPolicy, completions ?? 0, tally.completedIndexes) : undefined;
  if (rule !== undefined) {
    return { type: 'SuccessCriteriaMet', reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` };
  }
  if (metadata.deletionTimestamp !== undefined || pods.some(({ state }) => state === 'active')) return undefined;
  // Without a number of completions one success is enough, once all pods have ended.
  if (tally.totalSucceeded < (completions ?? 1)) return undefined;
  const message = 'Reached expected number of succeeded pods';
  return { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message };
}

/** The first rule of the policy that the succeeded indexes fulfil. */
function matchedRule(policy: SuccessPolicy | undefined, completions: number, completed: IndexSet): number | undefined {
  const rules = policy?.rules ?? [];
  const matched = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeededCount !== undefined && completed.size >= succeededCount;
    const wanted = IndexSet.below(completions, succeededIndexes);
    return completed.common(wanted) >= (succeededCount ?? wanted.size);
  });
  return matched < 0 ? undefined : matched;
}

/** When the Job must have ended, in milliseconds since the epoch. Undefined: never, or it is suspended. */
export function deadlineAt({ spec, status }: Job): number | undefined {
  const start = parseTime(status?.startTime);
  if (spec.activeDeadlineSeconds === undefined || start === undefined || spec.suspend) return undefined;
  return start + spec.activeDeadlineSeconds * 1000;
}

/** Whether the containers of running pods have restarted as often as the backoff limit says (restartPolicy OnFailure). */
function isPastRestarts({ spec }: Job, pods: readonly JobPod[]): boolean {
  if (spec.template.spec?.restartPolicy !== 'OnFailure') return false;
  const limit = Math.max(1, spec.backoffLimit ?? 6);
  return pods.reduce((sum, { pod }) => sum + restarts(pod), 0) >= limit;
}

function restarts({ status }: Pod): number {
  if (status?.phase !== 'Running' && status?.phase !== 'Pending') return 0;
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  return all.reduce((sum, { restartCount }) => sum + restartCount, 0);
}
