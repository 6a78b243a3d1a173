import type { Deployment, Pod, ReplicaSet } from '../../../shared/generated/types.ts';
import { changeOf, type History, type Oracle, type Step, type World, walk } from '../history.ts';
import { amountOf, Events, isHealthy, isManagedBy, Lately, ledTime, managerOf } from './facts.ts';

interface Bounds {
  readonly most: number;
  readonly fewest: number;
  readonly recreate: boolean;
}

interface Seen {
  readonly bounds: Lately<Bounds>;
  /** Pods that stopped being available by something else than the rollout. */
  readonly losses: Events;
}

/**
 * "maxSurge: the maximum number of Pods that can be created over the desired number of Pods", rounded up; "maxUnavailable: the maximum
 * number of Pods that can be unavailable during the update process", rounded down; both zero counts as maxUnavailable 1 (Deployments,
 * "Rolling Update Deployment"). With Recreate, "all existing Pods are killed before new ones are created".
 */
export const rolloutsWithinBounds: Oracle = (history) => {
  const broken: string[] = [];
  const led = ledTime(history);
  const seen = new Map<string, Seen>();
  const seenOf = (uid: string): Seen => {
    const known = seen.get(uid) ?? { bounds: new Lately<Bounds>(), losses: new Events() };
    seen.set(uid, known);
    return known;
  };
  for (const { step, world } of walk(history)) {
    const at = led(step.at);
    for (const change of step.changes) {
      const deployment = changeOf(change, 'Deployment')?.after;
      if (deployment) seenOf(deployment.metadata.uid).bounds.set(at, boundsOf(deployment));
      const set = changeOf(change, 'ReplicaSet');
      if (set?.after && sizeOf(set.after) > (set.before ? sizeOf(set.before) : 0)) {
        broken.push(...tooMany(world, set.after, seenOf, at, step.revision));
      }
      const pod = changeOf(change, 'Pod');
      if (!pod?.before || !isHealthy(pod.before) || isHealthy(pod.after)) continue;
      const owner = deploymentOf(world, pod.before);
      if (!owner) continue;
      const { bounds, losses } = seenOf(owner.metadata.uid);
      if (!isScaledDown(history, step, world, pod.before, pod.after)) {
        losses.add(at);
        continue;
      }
      const fewest = Math.min(...bounds.since(at).map((one) => one.fewest)) - losses.since(at);
      const left = world.all('Pod').filter((one) => isHealthy(one) && deploymentOf(world, one) === owner).length;
      if (left < fewest) {
        broken.push(
          `${change.key} was taken at ${step.revision}: its deployment has ${left} available, must have ${fewest}`,
        );
      }
    }
  }
  return broken;
};

function boundsOf({ spec }: Deployment): Bounds {
  const wanted = spec.replicas ?? 1;
  if (spec.strategy?.type === 'Recreate') return { most: wanted, fewest: 0, recreate: true };
  const surge = amountOf(spec.strategy?.rollingUpdate?.maxSurge ?? '25%', wanted, 'up');
  const unavailable = amountOf(spec.strategy?.rollingUpdate?.maxUnavailable ?? '25%', wanted, 'down');
  return {
    most: wanted + surge,
    fewest: wanted - (surge === 0 && unavailable === 0 ? 1 : unavailable),
    recreate: false,
  };
}

/** `grown` has just been made larger. */
function tooMany(
  world: World,
  grown: ReplicaSet,
  seenOf: (uid: string) => Seen,
  at: number,
  revision: number,
): string[] {
  const owner = managerOf(grown);
  if (owner === undefined) return [];
  const bounds = seenOf(owner).bounds.since(at);
  const others = world
    .all('ReplicaSet')
    .filter((set) => isManagedBy(set, owner) && set.metadata.uid !== grown.metadata.uid);
  const total = sizeOf(grown) + others.reduce((sum, set) => sum + sizeOf(set), 0);
  const most = Math.max(...bounds.map((one) => one.most));
  const what = `${grown.metadata.name} grew at ${revision}`;
  const broken = total > most ? [`${what}: its deployment asks for ${total} pods, may have ${most}`] : [];
  if (bounds.every(({ recreate }) => recreate)) {
    const uids = new Set(others.map(({ metadata }) => metadata.uid));
    const old = world
      .all('Pod')
      .find((pod) => uids.has(managerOf(pod) ?? '') && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? ''));
    if (old) broken.push(`${what}: pod ${old.metadata.name} of an older template is still there`);
  }
  return broken;
}

/** Whether a pod was taken by its ReplicaSet for being one too many: not by a user, by an eviction or from a node with taints. */
function isScaledDown(history: History, step: Step, world: World, before: Pod, after: Pod | undefined): boolean {
  if (!after?.metadata.deletionTimestamp) return false;
  const { uid } = before.metadata;
  if (history.requests.some((one) => one.uid === uid && one.asked <= step.at)) return false;
  return !world.get('Node', before.spec.nodeName ?? '')?.spec?.taints?.length;
}

function deploymentOf(world: World, pod: Pod): Deployment | undefined {
  const set = world.all('ReplicaSet').find((one) => isManagedBy(pod, one.metadata.uid));
  if (!set || set.metadata.deletionTimestamp) return undefined;
  return world
    .all('Deployment')
    .find((one) => isManagedBy(set, one.metadata.uid) && one.metadata.deletionTimestamp === undefined);
}

function sizeOf(set: ReplicaSet): number {
  return set.spec.replicas ?? 1;
}
