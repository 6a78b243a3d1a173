import { mkdir } from 'node:fs/promises';
import type { NFSVolumeSource } from '../../../shared/generated/types.ts';
import type { VolumeContext, VolumeSource } from '../source.ts';

/** A directory of an NFS server, mounted in the pod's directory. */
export const nfs: VolumeSource<NFSVolumeSource> = {
  prepare: (source, volume) => mountNfs(source, [], volume),
};

/** `options`: of the mount, beside `ro`. */
export async function mountNfs(
  { server, path, readOnly }: NFSVolumeSource,
  options: readonly string[],
  { path: target, mounter }: Pick<VolumeContext, 'path' | 'mounter'>,
): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o750 });
  if ((await mounter.below(target)).includes(target)) return;
  await mounter.nfs(`${server}:${path}`, target, [...options, ...(readOnly ? ['ro'] : [])]);
}
