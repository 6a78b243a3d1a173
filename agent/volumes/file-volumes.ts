import type { Stats } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { HostPathVolumeSource, Pod, Volume, VolumeMount } from '../../shared/generated/types.ts';
import { diskUsage } from '../disk-usage.ts';
import type { Dns } from '../dns.ts';
import { containerEnv, expandSubPath, newExpansion } from '../pod/env.ts';
import { ConfigError, type PodFacts, type PodInputs } from '../pod/inputs.ts';
import { KeyedMutex } from '../pod/keyed-mutex.ts';
import type { Mount } from '../runtime/runtime.ts';
import { isWritten, writeProjected } from './atomic-writer.ts';
import { ownFiles, terminationMessage } from './managed-files.ts';
import type { Mounter } from './mounter.ts';
import { pathPart } from './path-part.ts';
import { type PodVolumes, setUpEach } from './pod-volumes.ts';
import { isSecret, payloadOf } from './projection.ts';
import { removeTree } from './remove-tree.ts';
import { makeEmptyDir, mountTmpfs } from './sources/empty-dir.ts';
import { bindSubPath, checkSubPath } from './sub-path.ts';

export interface FileVolumesDeps {
  /** The directory of all pods' files; the engine sees it under the same path. */
  readonly dir: string;
  readonly mounter: Mounter;
  dnsOf(pod: Pod): Dns;
}

/**
 * The files of pods under `dir/UID`: `volumes/NAME`, `sub-paths/CONTAINER/N`, `containers/NAME/ATTEMPT` (termination messages), `hosts`
 * and `resolv.conf`. Volumes in memory, secrets and tokens among them, are mounts of their own.
 */
export function fileVolumes(deps: FileVolumesDeps): PodVolumes {
  const podDir = (uid: string): string => join(deps.dir, pathPart(uid));
  /** By volume: a directory that one container has just made must have its permissions before another makes one in it. */
  const mutex = new KeyedMutex();
  return {
    async prepare(pod, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      await mkdir(join(dir, 'volumes'), { recursive: true, mode: 0o750 });
      return setUpEach(
        pod,
        inputs,
        (volume, from) => prepareVolume(deps, pod, volume, dir, from, facts),
        (volume) => isWritten(join(dir, 'volumes', pathPart(volume.name))),
      );
    },

    async mounts(pod, container, attempt, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      const variables = new Map(containerEnv(pod, container, inputs, facts).map(({ name, value }) => [name, value]));
      const expansion = newExpansion();
      const mounts: Mount[] = [];
      for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
        const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
        if (!volume) throw new ConfigError(`volume "${mount.name}" not found`);
        const subPath = mount.subPathExpr ? expandSubPath(mount.subPathExpr, variables, expansion) : mount.subPath;
        const source = subPath
          ? await mutex.run(rootOf(dir, volume), () => subPathSource(deps, dir, volume, container.name, i, subPath))
          : rootOf(dir, volume);
        mounts.push(mountOf(mount, volume, source));
      }
      mounts.push(...(await ownFiles(pod, container, attempt, dir, deps.dnsOf(pod), facts)));
      return mounts.filter(({ target }, i) => mounts.findIndex((other) => other.target === target) === i);
    },

    terminationMessage: (uid, container, attempt) => terminationMessage(podDir(uid), container, attempt),

    async usage(uid, names, signal) {
      const places = new Map(names.map((name) => [join(podDir(uid), 'volumes', pathPart(name)), name]));
      const used = await diskUsage([...places.keys()], signal);
      return new Map([...used].map(([place, bytes]) => [places.get(place) ?? '', bytes]));
    },

    async remove(uid) {
      const dir = podDir(uid);
      // Nothing is deleted through a mount: behind it may be what is not the pod's.
      for (const point of await deps.mounter.below(dir)) await deps.mounter.unmount(point);
      const left = await deps.mounter.below(dir);
      if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
      await removeTree(dir);
    },

    async list() {
      try {
        return await readdir(deps.dir);
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
  };
}

async function prepareVolume(
  deps: FileVolumesDeps,
  pod: Pod,
  volume: Volume,
  dir: string,
  inputs: PodInputs,
  facts: PodFacts,
): Promise<void> {
  const payload = payloadOf(pod, volume, inputs, facts);
  const group = pod.spec.securityContext?.fsGroup;
  const place = join(dir, 'volumes', pathPart(volume.name));
  if (payload) {
    await mkdir(place, { recursive: true, mode: 0o755 });
    await chmod(place, 0o755);
    if (isSecret(volume)) await mountTmpfs(deps.mounter, place, { mode: '0755' });
    await writeProjected(place, payload, group);
  } else if (volume.emptyDir) {
    const { medium } = volume.emptyDir;
    if (medium && medium !== 'Memory') throw new ConfigError(`emptyDir: the medium ${medium} is not supported`);
    await makeEmptyDir(deps.mounter, place, pod.spec, volume.emptyDir, facts.allocatable.memoryBytes);
  } else if (volume.hostPath) {
    await checkHostPath(volume.hostPath);
  } else {
    throw new ConfigError('this kind of volume is not supported');
  }
}

function rootOf(dir: string, volume: Volume): string {
  return volume.hostPath ? normalize(volume.hostPath.path) : join(dir, 'volumes', pathPart(volume.name));
}

/** The agent itself writes the volume's content. */
function isProjected({ configMap, secret, downwardAPI, projected }: Volume): boolean {
  return (configMap ?? secret ?? downwardAPI ?? projected) !== undefined;
}

function mountOf(mount: VolumeMount, volume: Volume, source: string): Mount {
  if (mount.recursiveReadOnly === 'Enabled') {
    const what = `volume ${JSON.stringify(mount.name)} requested recursive read-only mode`;
    throw new ConfigError(`${what}, but it is not supported by the runtime`);
  }
  const propagation =
    mount.mountPropagation === 'HostToContainer'
      ? 'rslave'
      : mount.mountPropagation === 'Bidirectional'
        ? 'rshared'
        : undefined;
  return {
    source,
    target: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    readOnly: mount.readOnly === true || isProjected(volume),
    ...(propagation ? { propagation } : {}),
  };
}

/** A place of the agent's own that shows what the subPath leads to. */
async function subPathSource(
  deps: FileVolumesDeps,
  dir: string,
  volume: Volume,
  container: string,
  index: number,
  subPath: string,
): Promise<string> {
  const place = join(dir, 'sub-paths', pathPart(container), String(index));
  const root = rootOf(dir, volume);
  checkSubPath(subPath);
  await freePlace(deps.mounter, place);
  // Files of a projected volume are links within it: they are followed to the version of now, as the kubelet does.
  const inside = isProjected(volume) ? join(await readlink(join(root, '..data')), subPath) : subPath;
  await bindSubPath(deps.mounter, root, inside, place);
  return place;
}

/** Whatever was shown at the place is not touched: only the empty file or directory that it was mounted on goes. */
async function freePlace(mounter: Mounter, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true, mode: 0o750 });
  for (const point of await mounter.below(place)) await mounter.unmount(point);
  const found = await lstat(place).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found) await (found.isDirectory() ? rmdir(place) : unlink(place));
}

/** What each type of hostPath asks for: a test of what is there, and what is made when nothing is. */
const hostPathTypes: Record<string, { is?: (stats: Stats) => boolean; what: string; make?: 'directory' | 'file' }> = {
  '': { what: 'anything', make: 'directory' },
  Directory: { is: (stats) => stats.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), what: 'a directory', make: 'directory' },
  File: { is: (stats) => stats.isFile(), what: 'a file' },
  FileOrCreate: { is: (stats) => stats.isFile(), what: 'a file', make: 'file' },
  Socket: { is: (stats) => stats.isSocket(), what: 'a socket file' },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), what: 'a block device' },
};

async function checkHostPath({ path, type }: HostPathVolumeSource): Promise<void> {
  const wanted = hostPathTypes[type ?? ''];
  const fail = (why: string): never => {
    throw new ConfigError(`hostPath type check failed: ${path} ${why}`);
  };
  if (!wanted || path.split('/').includes('..')) return fail('is not supported');
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found) {
    if (wanted.is && !wanted.is(found)) fail(`is not ${wanted.what}`);
  } else if (wanted.make === 'directory') {
    await mkdir(path, { recursive: true, mode: 0o755 });
  } else if (wanted.make === 'file') {
    await writeFile(path, '', { flag: 'a', mode: 0o644 });
  } else fail(`is not ${wanted.what}`);
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
