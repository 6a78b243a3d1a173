import type { Pod } from '../../../shared/generated/types.ts';
import { milliValue } from '../../../shared/quantity.ts';
import { changeOf, type Oracle, type World, walk } from '../history.ts';
import { hasEnded } from './facts.ts';

const resources = ['cpu', 'memory'] as const;

/**
 * "The sum of the resource requests of the scheduled containers is less than the capacity of the node" (Resource Management for Pods). A
 * pod that has ended requests nothing.
 */
export const committedWithinCapacity: Oracle = (history) => {
  const broken: string[] = [];
  for (const { step, world } of walk(history)) {
    const touched = new Set<string>();
    for (const change of step.changes) {
      const pod = changeOf(change, 'Pod');
      // Only a binding commits more.
      if (pod?.after?.spec.nodeName && !pod.before?.spec.nodeName) touched.add(pod.after.spec.nodeName);
    }
    for (const node of touched) broken.push(...overcommitments(world, node, step.revision));
  }
  return broken;
};

function overcommitments(world: World, name: string, revision: number): string[] {
  const pods = world.all('Pod').filter((pod) => pod.spec.nodeName === name && !hasEnded(pod));
  const allocatable = world.get('Node', name)?.status?.allocatable ?? {};
  const tooMuch = resources.flatMap((resource) => {
    const has = allocatable[resource];
    const used = pods.reduce((sum, pod) => sum + requested(pod, resource), 0);
    if (has === undefined || used <= milliValue(has)) return [];
    return [`node ${name} is overcommitted at ${revision}: ${resource} ${used}m of ${has}`];
  });
  const most = Number(allocatable.pods ?? Number.POSITIVE_INFINITY);
  return pods.length > most ? [...tooMuch, `node ${name} has ${pods.length} pods of ${most} at ${revision}`] : tooMuch;
}

/** The simulation's pods have containers only: no init containers, no overhead. */
function requested(pod: Pod, resource: string): number {
  return pod.spec.containers.reduce((sum, { resources: has }) => sum + milliValue(has?.requests?.[resource] ?? '0'), 0);
}
