import type { DaemonSet, Deployment, StatefulSet } from '../../shared/generated/types.ts';

export type RolloutStatus = { readonly done: boolean; readonly message: string } | { readonly failed: string };

/** The kinds that have rollouts. */
export type RolledOut = Deployment | DaemonSet | StatefulSet;

/** The status of a rollout in kubectl's words (`polymorphichelpers/rollout_status.go`). */
export function rolloutStatusOf(object: RolledOut): RolloutStatus {
  if (object.kind === 'Deployment') return deploymentStatus(object);
  const isRolling = object.spec.updateStrategy?.type === 'RollingUpdate';
  if (!isRolling) return { failed: 'rollout status is only available for RollingUpdate strategy type' };
  return object.kind === 'DaemonSet' ? daemonSetStatus(object) : statefulSetStatus(object);
}

function deploymentStatus({ metadata, spec, status = {} }: Deployment): RolloutStatus {
  const { name, generation = 0 } = metadata;
  const unfinished = (why: string): RolloutStatus => waiting(`deployment "${name}" rollout to finish: ${why}`);
  if ((status.observedGeneration ?? 0) < generation) return waiting('deployment spec update to be observed');
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    return { failed: `deployment "${name}" exceeded its progress deadline` };
  }
  const { replicas: wanted = 1 } = spec;
  const { replicas = 0, updatedReplicas: updated = 0, availableReplicas: available = 0 } = status;
  if (updated < wanted) return unfinished(`${updated} out of ${wanted} new replicas have been updated`);
  if (replicas > updated) return unfinished(`${replicas - updated} old replicas are pending termination`);
  if (available < updated) return unfinished(`${available} of ${updated} updated replicas are available`);
  return { done: true, message: `deployment "${name}" successfully rolled out` };
}

function daemonSetStatus({ metadata, status }: DaemonSet): RolloutStatus {
  const { name, generation = 0 } = metadata;
  if ((status?.observedGeneration ?? 0) < generation) return waiting('daemon set spec update to be observed');
  const unfinished = (why: string): RolloutStatus => waiting(`daemon set "${name}" rollout to finish: ${why}`);
  const { desiredNumberScheduled: desired = 0, updatedNumberScheduled: updated = 0 } = status ?? {};
  const available = status?.numberAvailable ?? 0;
  if (updated < desired) return unfinished(`${updated} out of ${desired} new pods have been updated`);
  if (available < desired) return unfinished(`${available} of ${desired} updated pods are available`);
  return { done: true, message: `daemon set "${name}" successfully rolled out` };
}

function statefulSetStatus({ metadata, spec, status }: StatefulSet): RolloutStatus {
  const { observedGeneration = 0, readyReplicas: ready = 0, updatedReplicas: updated = 0 } = status ?? {};
  if (observedGeneration === 0 || observedGeneration < (metadata.generation ?? 0)) {
    return waiting('statefulset spec update to be observed');
  }
  const { replicas: wanted = 1, updateStrategy } = spec;
  if (ready < wanted) return waiting(`${wanted - ready} pods to be ready`);
  const rolling = updateStrategy?.rollingUpdate;
  if (rolling) {
    const reached = wanted - (rolling.partition ?? 0);
    if (updated < reached) {
      return waiting(`partitioned roll out to finish: ${updated} out of ${reached} new pods have been updated`);
    }
    return { done: true, message: `partitioned roll out complete: ${updated} new pods have been updated...` };
  }
  if (status?.updateRevision !== status?.currentRevision) {
    const message = `waiting for statefulset rolling update to complete ${updated} pods at revision ${status?.updateRevision}...`;
    return { done: false, message };
  }
  const { currentReplicas = 0, currentRevision } = status ?? {};
  const message = `statefulset rolling update complete ${currentReplicas} pods at revision ${currentRevision}...`;
  return { done: true, message };
}

function waiting(what: string): RolloutStatus {
  return { done: false, message: `Waiting for ${what}...` };
}
