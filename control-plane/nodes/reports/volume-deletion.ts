import type { Client } from '../../../shared/client.ts';
import { isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import { localVolumeFinalizer } from '../../../shared/storage/local.ts';
import { deletedVolumeOf } from '../../../shared/storage/node-volumes.ts';
import { isRefused } from './refusal.ts';

/** Attempts to write one volume while it changes at the same time. */
const maxAttempts = 5;

/**
 * Removes the finalizer of a volume whose data `node` has deleted. Ignores a volume whose data is not the node's to delete, and one with
 * another uid, as the report is out of date then. Throws ApiError.
 */
export async function releaseVolume(
  { client, log }: { readonly client: Client; readonly log: Log },
  node: string,
  { name, uid }: { readonly name: string; readonly uid: string },
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const volume = await client.get('PersistentVolume', name);
      if (deletedVolumeOf(node, volume)?.uid !== uid) return;
      const finalizers = volume.metadata.finalizers?.filter((one) => one !== localVolumeFinalizer) ?? [];
      const { resourceVersion } = volume.metadata;
      const body = { metadata: { uid, resourceVersion, finalizers } };
      await client.patch('PersistentVolume', name, { type: 'merge', body });
      return;
    } catch (error) {
      if (isApiError(error, 'NotFound')) return;
      if (isApiError(error, 'Conflict') && attempt < maxAttempts) continue;
      if (!isRefused(error)) throw error;
      log.warn({ component: 'nodes', key: node, volume: name, err: messageOf(error) }, 'volume deletion refused');
      return;
    }
  }
}
