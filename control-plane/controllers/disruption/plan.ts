import { disruptionAllowed, disruptionUnknown } from '../../../shared/disruption.ts';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../shared/generated/types.ts';
import { resolveIntOrPercent } from '../../../shared/kinds/rules/int-or-percent.ts';
import { controllerOf } from '../../../shared/object.ts';
import { isPodReady } from '../../../shared/pod.ts';

/** An eviction that was granted and has not started within this time never will. */
const evictionMs = 2 * 60_000;

/** The desired replicas of a pod's controller with its uid, or why they are unknown. */
export type ScaleOf = (pod: Pod) => { readonly uid: string; readonly replicas: number } | string;

export interface DisruptionPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** Milliseconds since the epoch: when the plan changes by time alone. */
  readonly again?: number;
  /** Why the expected number of pods is unknown. */
  readonly failure?: string;
}

/**
 * What a disruption budget allows now (Kubernetes' disruption controller). `pods`: those that its selector matches. `scaleOf` is called
 * for a budget with maxUnavailable or a percentage.
 */
export function planDisruptions(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  scaleOf: ScaleOf,
  now: number,
): DisruptionPlan {
  const { disrupted, again } = stillDisrupted(budget, pods, now);
  const { generation = 0 } = budget.metadata;
  const before = budget.status;
  const wanted = healthyWanted(budget, pods, scaleOf);
  if (typeof wanted === 'string') {
    const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0 } = before ?? {};
    const conditions = disruptionUnknown(before?.conditions, wanted, generation, now);
    const kept = { currentHealthy, desiredHealthy, expectedPods };
    const status = { ...before, ...kept, disruptionsAllowed: 0, observedGeneration: generation, conditions };
    return { status, failure: wanted };
  }
  const { expectedPods, desiredHealthy } = wanted;
  const currentHealthy = pods.filter(
    (pod) => !pod.metadata.deletionTimestamp && !disrupted.has(pod.metadata.name) && isPodReady(pod),
  ).length;
  const disruptionsAllowed = expectedPods > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const status: PodDisruptionBudgetStatus = {
    observedGeneration: generation,
    ...(disrupted.size > 0 ? { disruptedPods: Object.fromEntries(disrupted) } : {}),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods,
    conditions: disruptionAllowed(before?.conditions, disruptionsAllowed, generation, now),
  };
  return { status, ...(again === undefined ? {} : { again }) };
}

function healthyWanted(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  scaleOf: ScaleOf,
): { readonly expectedPods: number; readonly desiredHealthy: number } | string {
  const { minAvailable, maxUnavailable } = spec;
  if (maxUnavailable !== undefined) {
    const expectedPods = expectedOf(pods, scaleOf);
    if (typeof expectedPods === 'string') return expectedPods;
    return {
      expectedPods,
      desiredHealthy: Math.max(0, expectedPods - resolveIntOrPercent(maxUnavailable, expectedPods, Math.ceil)),
    };
  }
  if (typeof minAvailable !== 'string') return { expectedPods: pods.length, desiredHealthy: minAvailable ?? 0 };
  const expectedPods = expectedOf(pods, scaleOf);
  if (typeof expectedPods === 'string') return expectedPods;
  return { expectedPods, desiredHealthy: resolveIntOrPercent(minAvailable, expectedPods, Math.ceil) };
}

/** The sum of the desired replicas of the pods' controllers. Pods without one do not count. */
function expectedOf(pods: readonly Pod[], scaleOf: ScaleOf): number | string {
  const scales = new Map<string, number>();
  for (const pod of pods) {
    if (!controllerOf(pod)) continue;
    const scale = scaleOf(pod);
    if (typeof scale === 'string') return scale;
    scales.set(scale.uid, scale.replicas);
  }
  return [...scales.values()].reduce((sum, one) => sum + one, 0);
}

/** The evictions that were granted and have not started, by the names of their pods, and when the first of them expires. */
function stillDisrupted({ status }: PodDisruptionBudget, pods: readonly Pod[], now: number) {
  const granted = new Map(Object.entries(status?.disruptedPods ?? {}));
  const disrupted = new Map<string, string>();
  let again: number | undefined;
  for (const { metadata } of pods) {
    const at = granted.get(metadata.name);
    if (at === undefined || metadata.deletionTimestamp) continue;
    const end = Date.parse(at) + evictionMs;
    if (end <= now) continue;
    disrupted.set(metadata.name, at);
    again = Math.min(again ?? end, end);
  }
  return { disrupted, again };
}
