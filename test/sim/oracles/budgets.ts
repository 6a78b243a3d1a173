import type { Pod, PodDisruptionBudget } from '../../../shared/generated/types.ts';
import { changeOf, type ObjectChange, type Oracle, type Request, type Step, type World, walk } from '../history.ts';
import { amountOf, Events, isHealthy, Lately, ledTime, managerOf, selects } from './facts.ts';

/**
 * An eviction "is allowed if at least minAvailable pods will still be available after the eviction", or if "at most maxUnavailable pods
 * are unavailable after it"; percentages are of what the pods' controllers want, rounded up (Specifying a Disruption Budget). "Involuntary
 * disruptions cannot be prevented by PDBs": those of the last moments, of which the budget may not know, lower the bound by one each.
 */
export const evictionsWithinBudgets: Oracle = (history) => {
  const broken: string[] = [];
  const led = ledTime(history);
  const fewest = new Map<string, Lately<number>>();
  const losses = new Map<string, Events>();
  const evictions = new Map<string, Request[]>();
  for (const request of history.requests) {
    if (request.verb !== 'evict' || request.uid === undefined || request.outcome === 'refused') continue;
    evictions.set(request.uid, [...(evictions.get(request.uid) ?? []), request]);
  }
  for (const { step, world } of walk(history)) {
    const at = led(step.at);
    for (const budget of world.all('PodDisruptionBudget')) {
      const { uid } = budget.metadata;
      const wanted = fewest.get(uid) ?? new Lately<number>();
      const lost = losses.get(uid) ?? new Events();
      fewest.set(uid, wanted);
      losses.set(uid, lost);
      if (step.changes.some(({ kind }) => kind !== 'Pod')) wanted.set(at, healthyPodsWanted(world, budget));
      for (const change of step.changes) {
        const pod = changeOf(change, 'Pod');
        if (!pod?.before || !isHealthy(pod.before) || isHealthy(pod.after)) continue;
        if (!selects(budget.spec.selector?.matchLabels, pod.before)) continue;
        if (!isEviction(step, change, budget, evictions.get(pod.before.metadata.uid) ?? [])) {
          lost.add(at);
          continue;
        }
        const healthy = healthyPodsOf(world, budget).length;
        const bound = Math.min(...wanted.since(at)) - lost.since(at);
        if (healthy >= bound) continue;
        const { name } = budget.metadata;
        broken.push(
          `${change.key} was evicted at ${step.revision}: budget ${name} has ${healthy} healthy, needs ${bound}`,
        );
      }
    }
  }
  return broken;
};

/** The transaction that evicts takes from the budget, or it is the only thing that a user asked for the pod. */
function isEviction(step: Step, change: ObjectChange, budget: PodDisruptionBudget, asked: readonly Request[]): boolean {
  const during = asked.some((one) => one.asked <= step.at && step.at <= (one.answered ?? Number.POSITIVE_INFINITY));
  if (!during || change.after?.metadata.deletionTimestamp === undefined) return false;
  return step.changes.some(({ after }) => after?.metadata.uid === budget.metadata.uid) || isCertain(step, asked);
}

/** An eviction that was acknowledged at the very moment of the deletion is what deleted the pod. */
function isCertain(step: Step, asked: readonly Request[]): boolean {
  return asked.some(
    ({ outcome, asked: from, answered }) => outcome === 'done' && from <= step.at && answered === step.at,
  );
}

export function healthyPodsOf(world: World, { spec, metadata }: PodDisruptionBudget): Pod[] {
  return world
    .all('Pod')
    .filter((pod) => pod.metadata.namespace === metadata.namespace && selects(spec.selector?.matchLabels, pod))
    .filter(isHealthy);
}

/** How many pods the budget wants healthy. */
export function healthyPodsWanted(world: World, { spec, metadata }: PodDisruptionBudget): number {
  const { minAvailable, maxUnavailable } = spec;
  if (typeof minAvailable === 'number') return minAvailable;
  const pods = world.all('Pod').filter((pod) => pod.metadata.namespace === metadata.namespace);
  const expected = expectedPods(
    world,
    pods.filter((pod) => selects(spec.selector?.matchLabels, pod)),
  );
  if (minAvailable !== undefined) return amountOf(minAvailable, expected, 'up');
  return Math.max(0, expected - amountOf(maxUnavailable ?? 0, expected, 'up'));
}

/** What the controllers of these pods want together: a Deployment for its ReplicaSets, else the ReplicaSet. */
export function expectedPods(world: World, pods: readonly Pod[]): number {
  const wanted = new Map<string, number>();
  for (const pod of pods) {
    const set = [...world.all('ReplicaSet'), ...world.all('ReplicationController')].find(
      ({ metadata }) => metadata.uid === managerOf(pod),
    );
    if (!set) continue;
    const top = world.all('Deployment').find(({ metadata }) => metadata.uid === managerOf(set)) ?? set;
    wanted.set(top.metadata.uid, top.spec.replicas ?? 1);
  }
  return [...wanted.values()].reduce((sum, one) => sum + one, 0);
}
