import { formatTime, parseTime } from '../../../shared/clock.ts';
import type { Node, NodeCondition, PersistentVolumeClaim, Pod, Taint } from '../../../shared/generated/types.ts';
import { readyCondition } from '../../../shared/node.ts';
import { controllerOf } from '../../../shared/object.ts';
import { podCondition, tolerates } from '../../../shared/pod.ts';
import { claimOfVolume } from '../../../shared/pod-references.ts';

export const taintKeys = {
  unreachable: 'node.kubernetes.io/unreachable',
  notReady: 'node.kubernetes.io/not-ready',
  unschedulable: 'node.kubernetes.io/unschedulable',
} as const;

/** The conditions that an agent reports, and that are unknown once its lease is gone. */
const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/**
 * How a node is: `lost` when its lease is gone, since the last heartbeat (milliseconds since the epoch); `unready` when it
 * says so itself, since then.
 */
export type NodeHealth =
  | { readonly state: 'ready' }
  | { readonly state: 'unready'; readonly since: number }
  | { readonly state: 'lost'; readonly since: number };

export function nodeHealth(node: Node, lostSince: number | undefined, now: number): NodeHealth {
  if (lostSince !== undefined) return { state: 'lost', since: lostSince };
  const ready = readyCondition(node);
  if (ready?.status === 'True') return { state: 'ready' };
  return { state: 'unready', since: ready?.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : now };
}

/**
 * The taints that a node should have: those by health and cordon, and all others unchanged. `timeAdded` is the time of the last
 * heartbeat: a toleration's seconds count from the failure, not from its detection.
 */
export function plannedTaints(node: Node, health: NodeHealth): Taint[] {
  const ours: readonly string[] = Object.values(taintKeys);
  const taints = (node.spec.taints ?? []).filter(({ key }) => !ours.includes(key));
  const keep = (taint: Taint): Taint =>
    node.spec.taints?.find(({ key, effect }) => key === taint.key && effect === taint.effect) ?? taint;
  if (node.spec.unschedulable) taints.push(keep({ key: taintKeys.unschedulable, effect: 'NoSchedule' }));
  if (health.state === 'ready') return taints;
  const key = health.state === 'lost' ? taintKeys.unreachable : taintKeys.notReady;
  const timeAdded = formatTime(health.since);
  taints.push(keep({ key, effect: 'NoSchedule', timeAdded }), keep({ key, effect: 'NoExecute', timeAdded }));
  return taints;
}

/** The conditions of a lost node: those that its agent reported become Unknown. */
export function lostConditions(node: Node, now: number): NodeCondition[] {
  const time = formatTime(now);
  const before = node.status?.conditions ?? [];
  const missing = reported.filter((type) => !before.some((condition) => condition.type === type));
  return [...before, ...missing.map((type): NodeCondition => ({ type, status: 'Unknown' }))].map((condition) => {
    if (!reported.includes(condition.type) || /^NodeStatus(Unknown|NeverUpdated)$/.test(condition.reason ?? ''))
      return condition;
    return {
      ...condition,
      status: 'Unknown',
      ...(missing.includes(condition.type)
        ? { reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.' }
        : { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' }),
      lastTransitionTime: condition.status === 'Unknown' ? condition.lastTransitionTime : time,
    };
  });
}

/** When a node's taints without `timeAdded` were first seen: by key, value and effect, in milliseconds since the epoch. */
export type TaintDates = ReadonlyMap<string, number>;

export function taintId({ key, value = '', effect }: Taint): string {
  return `${key}=${value}:${effect}`;
}

/** The dates of the taints that a node has now: a taint of `before` keeps its date. */
export function seenTaints(taints: readonly Taint[], before: TaintDates | undefined, now: number): TaintDates {
  const undated = taints.filter(
    ({ effect, timeAdded }) => effect === 'NoExecute' && parseTime(timeAdded) === undefined,
  );
  return new Map(undated.map(taintId).map((id) => [id, before?.get(id) ?? now]));
}

/**
 * When a pod is evicted from a node with these taints, in milliseconds since the epoch; Infinity for never. A taint without a toleration
 * evicts at once; otherwise the shortest toleration counts, from when both the taint and the pod were there
 * (Kubernetes, "Taint based Evictions"). `seen`: the dates of taints without `timeAdded`, as kubectl sets them.
 */
export function evictAt(pod: Pod, taints: readonly Taint[], seen: TaintDates): number {
  let at = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const added = parseTime(taint.timeAdded) ?? seen.get(taintId(taint));
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const seconds = matching.map(({ tolerationSeconds }) => tolerationSeconds ?? Number.POSITIVE_INFINITY);
    const start = Math.max(added ?? Number.NEGATIVE_INFINITY, boundAt(pod) ?? Number.NEGATIVE_INFINITY);
    at = Math.min(at, start + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return at;
}

/** When the pod was bound to its node. */
function boundAt(pod: Pod): number | undefined {
  const scheduled = podCondition(pod, 'PodScheduled');
  const bound = scheduled?.status === 'True' ? parseTime(scheduled.lastTransitionTime) : undefined;
  return bound ?? parseTime(pod.metadata.creationTimestamp);
}

/** The taint by which an administrator confirms that a node is off (Kubernetes, "Non-graceful node shutdown"). */
const outOfServiceKey = 'node.kubernetes.io/out-of-service';

export function isOutOfService({ spec }: Node): boolean {
  return spec.taints?.some(({ key, effect }) => key === outOfServiceKey && effect === 'NoExecute') ?? false;
}

/** Whether two pods of this identity must never run at the same time: a StatefulSet's, or one with a ReadWriteOncePod claim. */
export function isUnique(pod: Pod, claims: { get(key: string): PersistentVolumeClaim | undefined }): boolean {
  if (controllerOf(pod)?.kind === 'StatefulSet') return true;
  return (pod.spec.volumes ?? []).some((volume) => {
    const claim = claimOfVolume(pod, volume);
    return claim && claims.get(`${pod.metadata.namespace}/${claim}`)?.spec.accessModes?.includes('ReadWriteOncePod');
  });
}
