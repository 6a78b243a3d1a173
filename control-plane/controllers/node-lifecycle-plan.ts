import { formatTime } from '../../shared/clock.ts';
import type { Node, NodeCondition, Pod, Taint } from '../../shared/generated/types.ts';
import { tolerates } from '../../shared/pod.ts';

export const taintKeys = {
  unreachable: 'node.kubernetes.io/unreachable',
  notReady: 'node.kubernetes.io/not-ready',
  unschedulable: 'node.kubernetes.io/unschedulable',
} as const;

/** The conditions that an agent reports, and that nobody knows any more once it is silent. */
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
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status === 'True') return { state: 'ready' };
  return { state: 'unready', since: ready?.lastTransitionTime ? Date.parse(ready.lastTransitionTime) : now };
}

/**
 * The taints that a node should have: ours by its health and its cordon, the others as they are. `timeAdded` is when the node was last
 * heard of: a toleration's seconds count from the failure, not from our noticing it.
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

/** The conditions of a node that is lost: unknown, all that its agent reported. */
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

/**
 * When a pod has to leave a node with these taints, in milliseconds since the epoch: Infinity when it may stay for ever. A taint that
 * is not tolerated sends it away at once; else the shortest toleration counts (Kubernetes, "Taint based Evictions").
 */
export function evictAt(pod: Pod, taints: readonly Taint[]): number {
  let at = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const added = taint.timeAdded ? Date.parse(taint.timeAdded) : 0;
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const seconds = matching.map(({ tolerationSeconds }) => tolerationSeconds ?? Number.POSITIVE_INFINITY);
    at = Math.min(at, added + Math.max(0, Math.min(...seconds)) * 1000);
  }
  return at;
}
