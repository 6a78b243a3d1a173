import { formatTime } from '../../../shared/clock.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../../shared/generated/types.ts';
import { withoutZeros } from '../status-patch.ts';
import { availableOf, bounds, total, wanted } from './plan.ts';

/**
 * What a Deployment says of itself (Kubernetes, "Deployment status"), and after how many milliseconds time alone may change it: when
 * a rollout that makes no progress runs into its deadline.
 */
export function deploymentStatus(input: {
  deployment: Deployment;
  next: ReplicaSet | undefined;
  sets: readonly ReplicaSet[];
  /** The ReplicaSet that was just made, if one was. */
  created?: string;
  /** Milliseconds since the epoch. */
  now: number;
}): { status: DeploymentStatus; requeueAfterMs?: number } {
  const { deployment, next, sets, now } = input;
  const old = deployment.status ?? {};
  const replicas = total(sets, (set) => set.status?.replicas ?? 0);
  const availableReplicas = total(sets, availableOf);
  const counts = {
    replicas,
    updatedReplicas: next?.status?.replicas ?? 0,
    readyReplicas: total(sets, (set) => set.status?.readyReplicas ?? 0),
    availableReplicas,
    unavailableReplicas: Math.max(
      0,
      Math.max(
        replicas,
        total(sets, (set) => set.spec.replicas ?? 1),
      ) - availableReplicas,
    ),
  };
  const progress = progressing({ ...input, old, counts });
  const conditions = [available(deployment, availableReplicas, now), progress.condition, failure(next, now)]
    .filter((condition) => condition !== undefined)
    .map((condition) => settle(old.conditions, condition));
  const kept = (old.conditions ?? []).filter(
    ({ type }) => !['Available', 'Progressing', 'ReplicaFailure'].includes(type),
  );
  const { collisionCount } = old;
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation,
    ...withoutZeros(counts),
    ...(collisionCount ? { collisionCount } : {}),
    conditions: [...kept, ...conditions],
  };
  return { status, ...(progress.requeueAfterMs === undefined ? {} : { requeueAfterMs: progress.requeueAfterMs }) };
}

interface Counts {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

/** Whether every pod is of the present template, serves, and no other is left. */
export function isComplete(deployment: Deployment, counts: Counts): boolean {
  const replicas = wanted(deployment);
  return counts.updatedReplicas === replicas && counts.replicas === replicas && counts.availableReplicas === replicas;
}

function progressing(input: {
  deployment: Deployment;
  next: ReplicaSet | undefined;
  created?: string;
  old: DeploymentStatus;
  counts: Counts;
  now: number;
}): { condition?: DeploymentCondition; requeueAfterMs?: number } {
  const { deployment, next, old, counts, now } = input;
  const last = old.conditions?.find(({ type }) => type === 'Progressing');
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
  const time = formatTime(now);
  const say = (status: string, reason: string, message: string): DeploymentCondition => ({
    type: 'Progressing',
    status,
    reason,
    message,
    lastUpdateTime: time,
    lastTransitionTime: time,
  });
  if (input.created)
    return { condition: say('True', 'NewReplicaSetCreated', `Created new replica set "${input.created}"`) };
  const name = next?.metadata.name ?? deployment.metadata.name;
  if (deployment.spec.paused) {
    const paused =
      last?.reason === 'DeploymentPaused' ? last : say('Unknown', 'DeploymentPaused', 'Deployment is paused');
    return { condition: paused };
  }
  if (isComplete(deployment, counts)) {
    if (last?.reason === 'NewReplicaSetAvailable' && last.message?.includes(`"${name}"`)) return { condition: last };
    return { condition: say('True', 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`) };
  }
  const oldLeft = counts.replicas - counts.updatedReplicas;
  const moved =
    counts.updatedReplicas > (old.updatedReplicas ?? 0) ||
    oldLeft < (old.replicas ?? 0) - (old.updatedReplicas ?? 0) ||
    counts.readyReplicas > (old.readyReplicas ?? 0) ||
    counts.availableReplicas > (old.availableReplicas ?? 0);
  if (moved || !last || last.reason === 'DeploymentPaused') {
    return {
      condition: say('True', 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`),
      requeueAfterMs: deadlineMs,
    };
  }
  // A rollout that had come to its end and lost pods since is no rollout that hangs.
  if (last.reason === 'NewReplicaSetAvailable' || last.reason === 'ProgressDeadlineExceeded')
    return { condition: last };
  const leftMs = Date.parse(last.lastUpdateTime ?? last.lastTransitionTime ?? time) + deadlineMs - now;
  if (leftMs > 0) return { condition: last, requeueAfterMs: leftMs };
  return { condition: say('False', 'ProgressDeadlineExceeded', `ReplicaSet "${name}" has timed out progressing.`) };
}

function available(deployment: Deployment, count: number, now: number): DeploymentCondition {
  const enough = count >= wanted(deployment) - bounds(deployment).maxUnavailable;
  const time = formatTime(now);
  return {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    lastUpdateTime: time,
    lastTransitionTime: time,
  };
}

function failure(next: ReplicaSet | undefined, now: number): DeploymentCondition | undefined {
  const condition = next?.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
  return condition && { ...condition, lastUpdateTime: formatTime(now) };
}

/** Keeps the times of a condition that says what it said before. */
function settle(old: readonly DeploymentCondition[] | undefined, next: DeploymentCondition): DeploymentCondition {
  const before = old?.find(({ type }) => type === next.type);
  if (!before || before === next) return next;
  if (before.status !== next.status) return next;
  if (before.reason === next.reason && before.message === next.message && next.type !== 'Progressing') return before;
  return { ...next, lastTransitionTime: before.lastTransitionTime };
}
