import { messageOf } from '../../../shared/errors.ts';
import type {
  ReplicaSet,
  ReplicaSetCondition,
  ReplicaSetStatus,
  ReplicationController,
} from '../../../shared/generated/types.ts';
import { withoutZeros } from '../status-patch.ts';
import type { ReplicaCounts } from './plan.ts';

/** The status that follows from the counts of pods and the last failure. `now`: RFC 3339. */
export function replicaStatus(
  owner: ReplicaSet | ReplicationController,
  counts: ReplicaCounts,
  failure: unknown,
  now: string,
): ReplicaSetStatus {
  const before: readonly ReplicaSetCondition[] = owner.status?.conditions ?? [];
  const old = before.find((condition) => condition.type === 'ReplicaFailure');
  const conditions = before.filter((condition) => condition !== old);
  if (failure) {
    // The first failure's message stays, as in Kubernetes: each refusal names another pod, and writing it would requeue the owner.
    const message = messageOf(failure);
    conditions.push(
      old ?? { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message, lastTransitionTime: now },
    );
  }
  return {
    ...withoutZeros({ ...owner.status, ...counts }),
    replicas: counts.replicas,
    observedGeneration: owner.metadata.generation,
    ...(conditions.length > 0 || old ? { conditions } : {}),
  };
}
