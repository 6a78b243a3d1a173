import type { Pod, StatefulSet, StatefulSetStatus } from '../../../shared/generated/types.ts';
import { isPodAvailable, isPodReady } from '../../../shared/pod.ts';
import { withoutZeros } from '../status-patch.ts';
import { revisionOf } from './identity.ts';

/** A set with its pods and the names of two revisions: the one before the update, and the one of the present template. */
export interface Members {
  readonly set: StatefulSet;
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly pods: readonly Pod[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Ready and running: a pod that has ended may still have the condition. */
export function isServing(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod);
}

/**
 * Kubernetes' counts: a pod that is being deleted is still a replica, and counts for no revision. The update is complete, and its
 * revision the current one, when all wanted pods are of it and ready.
 */
export function statefulSetStatus({ set, currentRevision, updateRevision, pods, now }: Members): StatefulSetStatus {
  const { replicas: wanted = 1, minReadySeconds = 0, updateStrategy } = set.spec;
  const serving = pods.filter(isServing);
  const revisions = pods.filter(({ metadata }) => !metadata.deletionTimestamp).map(revisionOf);
  const updatedReplicas = revisions.filter((revision) => revision === updateRevision).length;
  const isComplete =
    updateStrategy?.type !== 'OnDelete' &&
    [pods.length, serving.length, updatedReplicas].every((count) => count === wanted);
  const current = isComplete ? updateRevision : currentRevision;
  return {
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    availableReplicas: serving.filter((pod) => isPodAvailable(pod, minReadySeconds, now)).length,
    ...withoutZeros({
      readyReplicas: serving.length,
      currentReplicas: revisions.filter((revision) => revision === current).length,
      updatedReplicas,
    }),
    currentRevision: current,
    updateRevision,
    collisionCount: set.status?.collisionCount ?? 0,
  };
}
