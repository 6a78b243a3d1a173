import { changeOf, type ObjectChange, type Oracle, walk } from '../history.ts';
import { holderOf, isLeaderLease, leaderLease, managerOf } from './facts.ts';

/**
 * "Leader election guarantees only one instance is active at any given time" (Leases): what only controllers and the scheduler write is
 * written by the server whose name stands in the lease at that moment, and a lease changes its holder only by having gone.
 */
export const onlyTheLeaderActs: Oracle = (history) => {
  const broken: string[] = [];
  for (const { step, world } of walk(history)) {
    const taken = step.changes.find(({ kind, key }) => isLeaderLease(kind, key));
    if (taken) {
      const lease = changeOf(taken, 'Lease');
      const [was, is] = [holderOf(lease?.before), holderOf(lease?.after)];
      if (was !== undefined && is !== undefined && was !== is)
        broken.push(`${is} took the lease of ${was} at ${step.revision}`);
    }
    const act = step.changes.find(isLeadersAct);
    if (!act || step.writer === undefined) continue;
    const holder = holderOf(world.get('Lease', leaderLease));
    if (holder === step.writer) continue;
    broken.push(`${step.writer} wrote ${act.kind} ${act.key} at ${step.revision}, while ${holder ?? 'no server'} led`);
  }
  return broken;
};

/** What no user of the simulation writes, nor a node: bindings, pods and ReplicaSets from templates, sizes, the status of a Deployment. */
function isLeadersAct(change: ObjectChange): boolean {
  const pod = changeOf(change, 'Pod');
  if (pod?.after) {
    const bound = !pod.before?.spec.nodeName && pod.after.spec.nodeName !== undefined;
    return bound || (!pod.before && managerOf(pod.after) !== undefined);
  }
  const set = changeOf(change, 'ReplicaSet');
  if (set?.after && managerOf(set.after)) return set.before?.spec.replicas !== set.after.spec.replicas;
  const deployment = changeOf(change, 'Deployment');
  if (!deployment?.before || !deployment.after) return false;
  return JSON.stringify(deployment.before.status) !== JSON.stringify(deployment.after.status);
}
