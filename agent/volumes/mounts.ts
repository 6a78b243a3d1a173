import { lstat, mkdir, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Container, VolumeMount } from '../../shared/generated/types.ts';
import type { KeyedMutex } from '../../shared/keyed-mutex.ts';
import { ConfigError, type PodEnvironment } from '../pod/inputs.ts';
import { containerEnv, expandSubPath, newExpansion } from '../pod/spec/env.ts';
import type { Mount } from '../runtime/runtime.ts';
import { ifMissing } from './missing.ts';
import type { Mounter } from './mounter.ts';
import { pathPart } from './path-part.ts';
import type { NamedVolume } from './source.ts';
import { type FoundSource, sourceOf } from './sources.ts';
import { bindSubPath, checkSubPath } from './sub-path.ts';

export interface MountsDeps {
  readonly mounter: Mounter;
  /** By volume: sub paths of one volume are made one at a time, so that each directory has its permissions before the next is made in it. */
  readonly locks: KeyedMutex;
}

/** The volumes of a container, in the order of its `volumeMounts`. `dir`: the pod's directory. Throws ConfigError. */
export async function volumeMounts(
  deps: MountsDeps,
  environment: PodEnvironment,
  container: Container,
  dir: string,
): Promise<Mount[]> {
  const { pod } = environment;
  const variables = new Map(containerEnv(environment, container).map(({ name, value }) => [name, value]));
  const expansion = newExpansion();
  const mounts: Mount[] = [];
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
    if (!volume) throw new ConfigError(`volume "${mount.name}" not found`);
    const found = sourceOf(volume);
    const path = volumePath(dir, found, { ...environment, name: volume.name });
    const subPath = mount.subPathExpr ? expandSubPath(mount.subPathExpr, variables, expansion) : mount.subPath;
    if (!subPath) {
      mounts.push(mountOf(mount, found, path));
      continue;
    }
    const target = join(dir, 'sub-paths', pathPart(container.name), String(i));
    await deps.locks.run(path, () => mountSubPath(deps.mounter, found, { path, subPath, target }));
    mounts.push(mountOf(mount, found, target));
  }
  return mounts;
}

/** Where a volume lies on the node. `dir`: the pod's directory. Throws ConfigError. */
export function volumePath(dir: string, { kind, source }: FoundSource, volume: NamedVolume): string {
  return kind.location?.(source, volume) ?? join(dir, 'volumes', pathPart(volume.name));
}

function mountOf(mount: VolumeMount, { kind, source: from }: FoundSource, source: string): Mount {
  if (mount.recursiveReadOnly === 'Enabled') {
    const what = `volume ${JSON.stringify(mount.name)} requested recursive read-only mode`;
    throw new ConfigError(`${what}, but it is not supported by the runtime`);
  }
  const propagation = propagations.get(mount.mountPropagation);
  return {
    source,
    target: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    readOnly:
      mount.readOnly === true || (typeof kind.readOnly === 'function' ? kind.readOnly(from) : kind.readOnly === true),
    ...(propagation ? { propagation } : {}),
  };
}

const propagations: ReadonlyMap<string | undefined, Mount['propagation']> = new Map([
  ['HostToContainer', 'rslave'],
  ['Bidirectional', 'rshared'],
]);

/** Mounts a sub path at `target`, in the pod's directory. Throws ConfigError. */
async function mountSubPath(
  mounter: Mounter,
  { kind }: FoundSource,
  { path, subPath, target }: { readonly path: string; readonly subPath: string; readonly target: string },
): Promise<void> {
  checkSubPath(subPath);
  await clearMountPoint(mounter, target);
  const inside = kind.resolveSubPath ? await kind.resolveSubPath(path, subPath) : subPath;
  await bindSubPath(mounter, path, inside, target);
}

/** Unmounts a former container's sub path and removes its mount point, an empty file or directory. */
async function clearMountPoint(mounter: Mounter, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  for (const point of await mounter.below(target)) await mounter.unmount(point);
  const found = await lstat(target).catch(ifMissing(undefined));
  if (found) await (found.isDirectory() ? rmdir(target) : unlink(target));
}
