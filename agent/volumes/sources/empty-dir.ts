import { chmod, chown, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EmptyDirVolumeSource, PodSpec } from '../../../shared/generated/types.ts';
import { allContainers, podLimits } from '../../../shared/pod.ts';
import { intValue } from '../../../shared/quantity.ts';
import { ConfigError } from '../../pod/inputs.ts';
import { ifMissing } from '../missing.ts';
import type { VolumeContext, VolumeSource } from '../source.ts';
import { mountTmpfs } from '../tmpfs.ts';

export const emptyDir: VolumeSource<EmptyDirVolumeSource> = {
  prepare: makeEmptyDir,
  ephemeralStorage: ({ medium, sizeLimit }) => ({ onDisk: medium !== 'Memory', sizeLimit }),
};

/**
 * Makes the directory, open to all and to the pod's fsGroup; one that exists stays as it is. After a reboot, one in memory is mounted
 * again.
 */
async function makeEmptyDir(
  { medium, sizeLimit }: EmptyDirVolumeSource,
  { pod: { spec }, facts, path, mounter }: VolumeContext,
): Promise<void> {
  if (medium && medium !== 'Memory') throw new ConfigError(`emptyDir: the medium ${medium} is not supported`);
  const group = spec.securityContext?.fsGroup;
  const mode = group === undefined ? 0o777 : 0o2777;
  if (!(await stat(path).catch(ifMissing(undefined)))) {
    // Renamed when it is complete: a directory of the final name has its group and mode.
    const fresh = join(dirname(path), `.${basename(path)}`);
    await rm(fresh, { recursive: true, force: true });
    await mkdir(fresh, { mode: 0o700 });
    if (group !== undefined) await chown(fresh, -1, group);
    await chmod(fresh, mode);
    await rename(fresh, path);
  }
  if (medium !== 'Memory') return;
  const sizeBytes = memoryBytes(spec, sizeLimit, facts.allocatable.memoryBytes);
  await mountTmpfs(mounter, path, { sizeBytes, mode: mode.toString(8), group });
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
