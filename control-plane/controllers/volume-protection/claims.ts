import type { Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { isPodTerminal } from '../../../shared/pod.ts';
import { claimNamesOf } from '../../../shared/pod-references.ts';
import { claimProtection } from '../../../shared/storage/claims.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { addFinalizer, removeFinalizer } from '../finalizers.ts';

/** Keeps a claim that is being deleted as long as a pod that has not ended mounts it (Kubernetes' pvc-protection controller). */
export function createClaimProtection(deps: ControllerDeps): Controller {
  const { client, informers } = deps;
  const claims = informers.of('PersistentVolumeClaim');
  const pods = informers.of('Pod');

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'PersistentVolumeClaim') {
      if (after) yield key;
      return;
    }
    if (after && !isPodTerminal(after as Pod)) return;
    const pod = (after ?? before) as Pod;
    for (const name of claimNamesOf(pod) ?? []) yield `${pod.metadata.namespace}/${name}`;
  }

  async function reconcile(key: string): Promise<undefined> {
    const claim = claims.get(key);
    if (!claim) return;
    const { metadata } = claim;
    const { name, namespace = '' } = metadata;
    const held = metadata.finalizers?.includes(claimProtection) ?? false;
    if (!metadata.deletionTimestamp) {
      if (!held) await addFinalizer(client, 'PersistentVolumeClaim', claim, claimProtection);
      return;
    }
    if (!held || isUsed(name, pods.by('namespace', namespace))) return;
    // A pod may be newer than what the informers show.
    const { items } = await client.list('Pod', { namespace });
    if (isUsed(name, items)) return;
    await removeFinalizer(client, 'PersistentVolumeClaim', claim, claimProtection);
  }

  return {
    name: 'pvc-protection-controller',
    kinds: ['PersistentVolumeClaim', 'Pod'],
    workers: 2,
    keysOf,
    reconcile,
  };
}

/** `pods`: those of the claim's namespace. One that has no node yet does not mount the claim: it waits for ever without it, as in Kubernetes. */
function isUsed(claim: string, pods: Iterable<Pod>): boolean {
  for (const pod of pods) {
    if (!pod.spec.nodeName || isPodTerminal(pod)) continue;
    if (claimNamesOf(pod)?.includes(claim)) return true;
  }
  return false;
}
