import type {
  ContainerStatus,
  Pod,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
} from '../../../shared/generated/types.ts';
import { keyOf } from '../../../shared/object.ts';

/** What the failure of a pod means. Without a rule that matches it counts. */
export interface FailureVerdict {
  readonly action?: string;
  /** Whether it counts towards the limits. */
  readonly counts: boolean;
  /** Which rule matched what, for people. */
  readonly message: string;
}

/** The first rule that matches a failed pod decides (Kubernetes, "Pod failure policy"). */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): FailureVerdict {
  for (const [index, { action, onExitCodes, onPodConditions }] of (policy?.rules ?? []).entries()) {
    const matched = onExitCodes ? exitCodeMatch(onExitCodes, pod) : conditionMatch(onPodConditions ?? [], pod);
    if (matched === undefined) continue;
    const message = `${matched} matching ${action} rule at index ${index}`;
    return { action, counts: action !== 'Ignore', message };
  }
  return { counts: true, message: '' };
}

function exitCodeMatch(wanted: PodFailurePolicyOnExitCodesRequirement, pod: Pod): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  for (const status of [...containerStatuses, ...initContainerStatuses]) {
    const code = status.state?.terminated?.exitCode;
    if (code !== undefined && matches(wanted, status, code)) {
      return `Container ${status.name} for pod ${keyOf(pod)} failed with exit code ${code}`;
    }
  }
  return undefined;
}

function matches(
  { containerName, operator, values = [] }: PodFailurePolicyOnExitCodesRequirement,
  { name }: ContainerStatus,
  code: number,
): boolean {
  if (code === 0 || (containerName !== undefined && containerName !== name)) return false;
  return values.includes(code) === (operator === 'In');
}

function conditionMatch(patterns: readonly { type: string; status?: string }[], pod: Pod): string | undefined {
  const conditions = pod.status?.conditions ?? [];
  const matched = patterns.find(({ type, status = 'True' }) =>
    conditions.some((condition) => condition.type === type && condition.status === status),
  );
  return matched && `Pod ${keyOf(pod)} has condition ${matched.type}`;
}
