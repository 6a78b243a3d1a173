import type { Deployment } from '../../../shared/generated/types.ts';
import type { EngineLook, World } from '../history.ts';
import { expectedPods, healthyPodsOf, healthyPodsWanted } from './budgets.ts';
import { hasEnded, isActive, isHealthy, isManagedBy, selects } from './facts.ts';
import { ownersOf } from './owners.ts';
import { podsCharged } from './quotas.ts';
import { activePodsOf } from './replicas.ts';

/**
 * What is missing until the cluster is as its objects ask for ("controllers move the current state closer to the desired state",
 * Controllers). Empty once it has converged. `looks`: what the engines hold now.
 */
export function missing(world: World, looks: readonly EngineLook[]): string[] {
  return [
    ...nodesMissing(world, looks),
    ...replicasMissing(world),
    ...world.all('Deployment').flatMap((deployment) => rolloutMissing(world, deployment)),
    ...budgetsMissing(world),
    ...quotasMissing(world),
    ...leftovers(world),
    ...looks.flatMap((look) => enginesMissing(world, look)),
  ];
}

function nodesMissing(world: World, looks: readonly EngineLook[]): string[] {
  return looks.flatMap(({ node: name }) => {
    const node = world.get('Node', name);
    const ready = node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
    return ready && !node?.spec?.taints?.length ? [] : [`node ${name} is not ready`];
  });
}

function replicasMissing(world: World): string[] {
  return [...world.all('ReplicaSet'), ...world.all('ReplicationController')].flatMap((set) => {
    const { name, uid, generation } = set.metadata;
    const wanted = set.spec.replicas ?? 1;
    const pods = activePodsOf(world, uid);
    const ready = pods.filter(isHealthy).length;
    const { replicas = 0, readyReplicas = 0, availableReplicas = 0, observedGeneration } = set.status ?? {};
    const told = [replicas, readyReplicas, availableReplicas].every((count) => count === wanted);
    const faults = [];
    if (pods.length !== wanted || ready !== wanted)
      faults.push(`${name} has ${pods.length} pods, ${ready} ready, of ${wanted}`);
    if (!told)
      faults.push(`${name} tells of ${replicas}, ${readyReplicas}, ${availableReplicas} replicas of ${wanted}`);
    if (observedGeneration !== generation) faults.push(`${name} is observed at ${observedGeneration} of ${generation}`);
    return faults;
  });
}

function rolloutMissing(world: World, { metadata, spec, status }: Deployment): string[] {
  const { name, uid, generation } = metadata;
  const wanted = spec.replicas ?? 1;
  const sets = world.all('ReplicaSet').filter((set) => isManagedBy(set, uid));
  const image = spec.template.spec?.containers[0]?.image;
  const current = sets.filter((set) => set.spec.template?.spec?.containers[0]?.image === image);
  const size = current.reduce((sum, set) => sum + (set.spec.replicas ?? 1), 0);
  const all = sets.reduce((sum, set) => sum + (set.spec.replicas ?? 1), 0);
  const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status ?? {};
  const told = [replicas, updatedReplicas, readyReplicas, availableReplicas].every((count) => count === wanted);
  const faults = [];
  if (size !== wanted || all !== wanted) faults.push(`${name} asks for ${size} new and ${all} pods of ${wanted}`);
  if (!told)
    faults.push(
      `${name} tells of ${replicas}, ${updatedReplicas}, ${readyReplicas}, ${availableReplicas} of ${wanted}`,
    );
  if (status?.observedGeneration !== generation) faults.push(`${name} is observed at ${status?.observedGeneration}`);
  return faults;
}

function budgetsMissing(world: World): string[] {
  return world.all('PodDisruptionBudget').flatMap((budget) => {
    const healthy = healthyPodsOf(world, budget).length;
    const wanted = healthyPodsWanted(world, budget);
    const selected = world.all('Pod').filter((pod) => selects(budget.spec.selector?.matchLabels, pod));
    const expected = typeof budget.spec.minAvailable === 'number' ? selected.length : expectedPods(world, selected);
    const { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods: told } = budget.status ?? {};
    const right = [healthy, wanted, Math.max(0, healthy - wanted), expected].join();
    const is = [currentHealthy, desiredHealthy, disruptionsAllowed, told].join();
    return is === right ? [] : [`budget ${budget.metadata.name} tells ${is} instead of ${right}`];
  });
}

function quotasMissing(world: World): string[] {
  return world.all('ResourceQuota').flatMap((quota) => {
    const used = quota.status?.used?.pods;
    const count = String(podsCharged(world, quota.metadata.namespace).length);
    return used === count ? [] : [`quota ${quota.metadata.name} tells of ${used} pods instead of ${count}`];
  });
}

/** What is being deleted goes, what has lost its owner goes, what is to end has ended, and what is to run has a node. */
function leftovers(world: World): string[] {
  const uids = new Set([...world.everything()].map(({ metadata }) => metadata.uid));
  const faults: string[] = [];
  for (const object of world.everything()) {
    const { name, deletionTimestamp } = object.metadata;
    const owners = ownersOf(object);
    if (deletionTimestamp) faults.push(`${object.kind} ${name} is still being deleted`);
    else if (owners.length > 0 && !owners.some((uid) => uids.has(uid)))
      faults.push(`${object.kind} ${name} has no owner left`);
  }
  for (const pod of world.all('Pod')) {
    if (pod.metadata.labels?.ends && !hasEnded(pod)) faults.push(`pod ${pod.metadata.name} has not ended`);
  }
  return faults;
}

/** "The set of pods that a node runs is the set that is bound to it": of those that have ended it may keep the sandbox. */
function enginesMissing(world: World, { node, sandboxes, running }: EngineLook): string[] {
  const pods = world.all('Pod').filter((pod) => pod.spec.nodeName === node);
  const known = new Set(pods.map(({ metadata }) => metadata.uid));
  const faults = sandboxes.filter((uid) => !known.has(uid)).map((uid) => `${node} still holds pod ${uid}`);
  for (const pod of pods) {
    const runs = running.filter(({ uid }) => uid === pod.metadata.uid).length;
    const wanted = isActive(pod) ? pod.spec.containers.length : 0;
    if (runs !== wanted)
      faults.push(`${node} runs ${runs} containers of pod ${pod.metadata.name} instead of ${wanted}`);
  }
  return faults;
}
