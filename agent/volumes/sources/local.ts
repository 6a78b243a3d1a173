import { lstat, stat } from 'node:fs/promises';
import { ConfigError } from '../../pod/inputs.ts';
import { setGroup } from '../fs-group.ts';
import { makeLocalVolume, nameBelow } from '../local-volumes.ts';
import { ifMissing } from '../missing.ts';
import type { VolumeContext } from '../source.ts';

/**
 * Prepares a local volume. One directly below the node's own root is made when it is first used, unless it is being deleted; any other
 * must exist. Both belong to the pod's fsGroup.
 */
export async function prepareLocal(
  { path, deleting }: { readonly path: string; readonly deleting: boolean },
  { pod, localRoot }: Pick<VolumeContext, 'pod' | 'localRoot'>,
): Promise<void> {
  if (path.split('/').includes('..')) throw new ConfigError(`path "${path}" must not contain ".."`);
  const name = nameBelow(localRoot, path);
  if (name !== undefined) {
    if (!deleting) await makeLocalVolume(localRoot, name);
    if ((await lstat(path).catch(ifMissing(undefined)))?.isSymbolicLink()) throw new ConfigError(`${path} is a link`);
  }
  const found = await stat(path).catch(ifMissing(undefined));
  if (!found) throw new ConfigError(`path "${path}" does not exist`);
  if (!found.isDirectory())
    throw new ConfigError(`path "${path}" is not a directory: local volumes of disks are not supported`);
  const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
  if (fsGroup !== undefined) await setGroup(path, fsGroup, fsGroupChangePolicy === 'OnRootMismatch');
}
