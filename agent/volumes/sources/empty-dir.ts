import { chmod, chown, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EmptyDirVolumeSource, PodSpec } from '../../../shared/generated/types.ts';
import { allContainers, podLimits } from '../../../shared/pod.ts';
import { intValue } from '../../../shared/quantity.ts';
import type { Mounter } from '../mounter.ts';

/**
 * Makes an emptyDir at `place`, open to all and to the pod's fsGroup; what is there already is left as it is. One in memory is
 * mounted again after a reboot. `allocatableBytes`: the node's memory for pods.
 */
export async function makeEmptyDir(
  mounter: Mounter,
  place: string,
  spec: PodSpec,
  { medium, sizeLimit }: EmptyDirVolumeSource,
  allocatableBytes: number,
): Promise<void> {
  const group = spec.securityContext?.fsGroup;
  const mode = group === undefined ? 0o777 : 0o2777;
  if (!(await exists(place))) {
    // Under another name first: what has the volume's name has its group and mode as well.
    const fresh = join(dirname(place), `.${basename(place)}`);
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    if (group !== undefined) await chown(fresh, -1, group);
    await chmod(fresh, mode);
    await rename(fresh, place);
  }
  if (medium !== 'Memory') return;
  const sizeBytes = memoryBytes(spec, sizeLimit, allocatableBytes);
  await mountTmpfs(mounter, place, { sizeBytes, mode: mode.toString(8), group });
}

/**
 * A file system in memory at an existing directory, unless there is one. A directory with content is one that an earlier version made on
 * disk: containers that have it mounted would not see what is mounted over it, so it stays until its pod goes.
 */
export async function mountTmpfs(
  mounter: Mounter,
  place: string,
  options: Parameters<Mounter['tmpfs']>[1],
): Promise<void> {
  if ((await mounter.below(place)).includes(place) || (await readdir(place)).length > 0) return;
  await mounter.tmpfs(place, options);
}

/**
 * What an emptyDir in memory may hold: the least of its own limit, the pod's memory limit when all its containers have one, and
 * what the node has for pods (kubelet, `calculateEmptyDirMemorySize`). Throws when nothing bounds it.
 */
export function memoryBytes(spec: PodSpec, sizeLimit: string | undefined, allocatableBytes: number): number {
  const limited =
    spec.resources?.limits?.memory !== undefined ||
    allContainers(spec).every(({ resources }) => intValue(resources?.limits?.memory ?? '0') > 0);
  const bounds = [allocatableBytes, limited ? podLimits(spec).memoryBytes : 0, intValue(sizeLimit ?? '0')];
  const least = Math.min(...bounds.filter((bound) => bound > 0));
  if (!Number.isFinite(least)) throw new Error('the memory that this node has for pods is not known yet');
  return least;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
