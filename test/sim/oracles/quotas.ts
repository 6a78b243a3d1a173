import type { Pod } from '../../../shared/generated/types.ts';
import { changeOf, type Oracle, type World, walk } from '../history.ts';
import { hasEnded } from './facts.ts';

/** "pods: The total number of Pods in a non-terminal state that can exist in the namespace" (Resource Quotas): at every creation. */
export const podsWithinQuotas: Oracle = (history) => {
  const broken: string[] = [];
  for (const { step, world } of walk(history)) {
    for (const change of step.changes) {
      const pod = changeOf(change, 'Pod');
      if (!pod?.after || pod.before) continue;
      const { namespace } = pod.after.metadata;
      const count = podsCharged(world, namespace).length;
      for (const quota of world.all('ResourceQuota')) {
        const hard = quota.spec?.hard?.pods;
        if (quota.metadata.namespace !== namespace || hard === undefined || count <= Number(hard)) continue;
        broken.push(`${change.key} is pod ${count} of ${hard} in its namespace at ${step.revision}`);
      }
    }
  }
  return broken;
};

export function podsCharged(world: World, namespace: string | undefined): Pod[] {
  return world.all('Pod').filter((pod) => pod.metadata.namespace === namespace && !hasEnded(pod));
}
