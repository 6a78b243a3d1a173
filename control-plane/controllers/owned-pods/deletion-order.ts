import { parseTime } from '../../../shared/clock.ts';
import type { ContainerStatus, Pod } from '../../../shared/generated/types.ts';
import { deletionCost } from '../../../shared/kinds/rules/pod-annotations.ts';
import { isPodReady, isSidecar, podCondition } from '../../../shared/pod.ts';

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * Pods in the order in which a scale-down deletes them (Kubernetes' ActivePodsWithRanks: unassigned, pending, not ready, lower deletion
 * cost, more siblings on the node, ready for less time, more restarts of containers, then of sidecars, younger).
 */
export function rankForDeletion(pods: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>();
  for (const { spec } of pods) onNode.set(spec.nodeName ?? '', (onNode.get(spec.nodeName ?? '') ?? 0) + 1);
  const rank = (pod: Pod): number[] => [
    pod.spec.nodeName ? 1 : 0,
    phaseRank[pod.status?.phase ?? 'Pending'] ?? 0,
    isPodReady(pod) ? 1 : 0,
    // An invalid cost counts as 0.
    deletionCost(pod.metadata.annotations) ?? 0,
    -(onNode.get(pod.spec.nodeName ?? '') ?? 0),
    -readySince(pod),
    -restarts(pod.status?.containerStatuses),
    -restarts(sidecarStatuses(pod)),
    -(parseTime(pod.metadata.creationTimestamp) ?? Number.POSITIVE_INFINITY),
  ];
  return pods
    .map((pod) => ({ pod, rank: rank(pod) }))
    .sort((a, b) => compare(a.rank, b.rank) || (a.pod.metadata.name < b.pod.metadata.name ? -1 : 1))
    .map(({ pod }) => pod);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

/** Milliseconds since the epoch; a ready pod that does not say since when counts as the youngest, as in Kubernetes. */
function readySince(pod: Pod): number {
  const ready = podCondition(pod, 'Ready');
  return ready?.status !== 'True' ? 0 : (parseTime(ready.lastTransitionTime) ?? Number.POSITIVE_INFINITY);
}

/** The most restarts that one container has had. */
function restarts(statuses: readonly ContainerStatus[] = []): number {
  return Math.max(0, ...statuses.map(({ restartCount }) => restartCount));
}

function sidecarStatuses({ spec, status }: Pod): ContainerStatus[] | undefined {
  const sidecars = new Set(spec.initContainers?.filter(isSidecar).map(({ name }) => name));
  return status?.initContainerStatuses?.filter(({ name }) => sidecars.has(name));
}
