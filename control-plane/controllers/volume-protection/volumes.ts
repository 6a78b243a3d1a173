import type { Change } from '../../../shared/informer.ts';
import { volumeProtection } from '../../../shared/storage/claims.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import { addFinalizer, removeFinalizer } from '../finalizers.ts';

/** Keeps a volume that is being deleted as long as it is bound (Kubernetes' pv-protection controller). */
export function createVolumeProtection(deps: ControllerDeps): Controller {
  const { client, informers } = deps;
  const volumes = informers.of('PersistentVolume');

  function* keysOf({ key, after }: Change): Iterable<string> {
    if (after) yield key;
  }

  async function reconcile(name: string): Promise<undefined> {
    const volume = volumes.get(name);
    if (!volume) return;
    const { metadata, status } = volume;
    const held = metadata.finalizers?.includes(volumeProtection) ?? false;
    if (!metadata.deletionTimestamp && !held) {
      await addFinalizer(client, 'PersistentVolume', volume, volumeProtection);
    } else if (metadata.deletionTimestamp && held && status?.phase !== 'Bound') {
      await removeFinalizer(client, 'PersistentVolume', volume, volumeProtection);
    }
  }

  return { name: 'pv-protection-controller', kinds: ['PersistentVolume'], workers: 1, keysOf, reconcile };
}
