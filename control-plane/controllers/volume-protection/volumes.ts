import { ignoring } from '../../../shared/errors.ts';
import type { PersistentVolume } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { volumeProtection } from '../../../shared/storage/claims.ts';
import type { Controller, ControllerDeps } from '../controller.ts';

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
      await patchFinalizers(volume, [...(metadata.finalizers ?? []), volumeProtection]);
    } else if (metadata.deletionTimestamp && held && status?.phase !== 'Bound') {
      await patchFinalizers(volume, metadata.finalizers?.filter((one) => one !== volumeProtection) ?? []);
    }
  }

  async function patchFinalizers({ metadata }: PersistentVolume, finalizers: readonly string[]): Promise<void> {
    const body = { metadata: { resourceVersion: metadata.resourceVersion, finalizers } };
    await client.patch('PersistentVolume', metadata.name, { type: 'merge', body }).catch(ignoring('NotFound'));
  }

  return { name: 'pv-protection-controller', kinds: ['PersistentVolume'], workers: 1, keysOf, reconcile };
}
