import type { Pod } from '../../../shared/generated/types.ts';
import { changeOf, type Oracle, type World, walk } from '../history.ts';
import { Events, isActive, isManagedBy, Lately, ledTime, managerOf } from './facts.ts';

const replicating = ['ReplicaSet', 'ReplicationController'] as const;

/**
 * "A ReplicaSet's purpose is to maintain a stable set of replica Pods": no pod is made beyond the number that is or lately was wanted,
 * save for those whose creation was answered with an error though it was done.
 */
export const noMoreReplicasThanWanted: Oracle = (history) => {
  const broken: string[] = [];
  const led = ledTime(history);
  const wanted = new Map<string, Lately<number>>();
  const unanswered = new Map<string, Events>();
  const of = <T>(map: Map<string, T>, uid: string, make: () => T): T => {
    const known = map.get(uid) ?? make();
    map.set(uid, known);
    return known;
  };
  for (const { step, world } of walk(history)) {
    const at = led(step.at);
    for (const change of step.changes) {
      for (const kind of replicating) {
        const owner = changeOf(change, kind);
        if (!owner?.after || owner.before?.spec.replicas === owner.after.spec.replicas) continue;
        of(wanted, owner.after.metadata.uid, () => new Lately<number>()).set(at, owner.after.spec.replicas ?? 1);
      }
      const pod = changeOf(change, 'Pod');
      const owner = pod?.after && !pod.before && managerOf(pod.after);
      if (!owner) continue;
      const excused = of(unanswered, owner, () => new Events());
      if (step.unanswered) excused.add(at);
      const most = Math.max(0, ...(wanted.get(owner)?.since(at) ?? [])) + excused.since(at);
      const count = activePodsOf(world, owner).length;
      if (count > most) {
        broken.push(
          `${change.key} is one too many at ${step.revision}: its owner has ${count} pods, and wants ${most}`,
        );
      }
    }
  }
  return broken;
};

export function activePodsOf(world: World, owner: string): Pod[] {
  return world.all('Pod').filter((pod) => isActive(pod) && isManagedBy(pod, owner));
}
