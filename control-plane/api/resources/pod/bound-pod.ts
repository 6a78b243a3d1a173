import { formatTime } from '../../../../shared/clock.ts';
import type { ApiError } from '../../../../shared/errors.ts';
import type { Pod } from '../../../../shared/generated/types.ts';
import { conflict } from '../../requests/refusals.ts';

/** Why a pod cannot be bound, in the words of Kubernetes' `pods/binding`; undefined when it can. */
export function unbindable(pod: Pod, uid: string | undefined): ApiError | undefined {
  const { name } = pod.metadata;
  const refused = (why: string): ApiError => conflict({ plural: 'pods/binding', group: '' }, name, why);
  if (uid && uid !== pod.metadata.uid) {
    return refused(`Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`);
  }
  if (pod.metadata.deletionTimestamp) return refused(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName) return refused(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if (pod.spec.schedulingGates?.length) return refused(`pod ${name} has non-empty .spec.schedulingGates`);
  return undefined;
}

/** The pod on its node. */
export function boundPod(pod: Pod, node: string, now: number): Pod {
  const conditions = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'PodScheduled');
  conditions.push({ type: 'PodScheduled', status: 'True', lastTransitionTime: formatTime(now) });
  return {
    ...pod,
    spec: { ...pod.spec, nodeName: node },
    status: { ...pod.status, conditions, nominatedNodeName: undefined },
  };
}
