import type { Stats } from 'node:fs';
import { chmod, chown, mkdir, open, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import type { Container, HostPathVolumeSource, Pod, Volume, VolumeMount } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { intValue } from '../../shared/quantity.ts';
import { type Dns, formatResolvConf } from '../dns.ts';
import type { Mount } from '../runtime/runtime.ts';
import { isWritten, writeProjected } from './atomic-writer.ts';
import { hostnameOf } from './container-spec.ts';
import { containerEnv, expand } from './env.ts';
import { ConfigError, type PodFacts, type PodInputs } from './inputs.ts';
import type { Mounter } from './mounter.ts';
import { isSecret, payloadOf } from './projection.ts';
import { withSubPath } from './sub-path.ts';
import { type PodVolumes, setUpEach } from './volumes.ts';

export interface FileVolumesDeps {
  /** The directory of all pods' files; the engine sees it under the same path. */
  readonly dir: string;
  readonly mounter: Mounter;
  readonly log: Log;
  dnsOf(pod: Pod): Dns;
}

/** What a terminationMessagePath may hold at most, as in the kubelet. */
const maxMessageBytes = 4_096;
const defaultMessagePath = '/dev/termination-log';

/**
 * The files of pods under `dir/UID`: `volumes/NAME`, `sub-paths/CONTAINER/N`, `containers/NAME/ATTEMPT` (termination messages), `hosts`
 * and `resolv.conf`. Volumes in memory are mounts of their own; where the node may not mount, they are directories.
 */
export function fileVolumes(deps: FileVolumesDeps): PodVolumes {
  const podDir = (uid: string): string => {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(uid)) throw new ConfigError(`"${uid}" is no uid`);
    return join(deps.dir, uid);
  };
  return {
    async prepare(pod, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      await mkdir(join(dir, 'volumes'), { recursive: true, mode: 0o750 });
      return setUpEach(
        pod,
        (volume) => prepareVolume(deps, pod, volume, dir, inputs, facts),
        (volume) => isWritten(join(dir, 'volumes', volume.name)),
      );
    },

    async mounts(pod, container, attempt, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      const variables = new Map(containerEnv(pod, container, inputs, facts).map(({ name, value }) => [name, value]));
      const mounts: Mount[] = [];
      for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
        const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
        if (!volume) throw new ConfigError(`volume "${mount.name}" not found`);
        const subPath = mount.subPathExpr ? expand(mount.subPathExpr, variables) : mount.subPath;
        const root = rootOf(dir, volume);
        const source = subPath ? await subPathSource(deps, dir, root, container.name, i, subPath) : root;
        mounts.push(mountOf(mount, volume, source));
      }
      mounts.push(...(await ownFiles(deps, pod, container, attempt, dir, facts)));
      return mounts.filter(({ target }, i) => mounts.findIndex((other) => other.target === target) === i);
    },

    async terminationMessage(uid, container, attempt) {
      try {
        const file = await open(join(podDir(uid), 'containers', container, String(attempt)), 'r');
        try {
          const { size } = await file.stat();
          const start = Math.max(0, size - maxMessageBytes);
          const { buffer, bytesRead } = await file.read(
            Buffer.alloc(Math.min(size, maxMessageBytes)),
            0,
            undefined,
            start,
          );
          return buffer.subarray(0, bytesRead).toString('utf8') || undefined;
        } finally {
          await file.close();
        }
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },

    async remove(uid) {
      const dir = podDir(uid);
      // Nothing is deleted through a mount: behind it may be what is not the pod's.
      for (const point of await deps.mounter.below(dir)) await deps.mounter.unmount(point);
      const left = await deps.mounter.below(dir);
      if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
      await rm(dir, { recursive: true, force: true });
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
  const place = join(dir, 'volumes', volume.name);
  if (payload) {
    await makeDirectory(place, 0o755);
    if (isSecret(volume)) await inMemory(deps, place, { mode: '0755' });
    await writeProjected(place, payload, group);
  } else if (volume.emptyDir) {
    const { medium, sizeLimit } = volume.emptyDir;
    const made = await makeDirectory(place, 0o777);
    if (medium === 'Memory') {
      await inMemory(deps, place, { mode: '0777', ...(sizeLimit ? { sizeBytes: intValue(sizeLimit) } : {}) });
    }
    if (group !== undefined && made) {
      await chown(place, -1, group);
      await chmod(place, 0o2777);
    }
  } else if (volume.hostPath) {
    await checkHostPath(volume.hostPath);
  } else {
    throw new ConfigError('this kind of volume is not supported');
  }
}

/** Whether it made it: what is there already is left as it is. */
async function makeDirectory(path: string, mode: number): Promise<boolean> {
  const made = await mkdir(path, { recursive: true });
  if (made === undefined) return false;
  await chmod(path, mode);
  return true;
}

async function inMemory(
  deps: FileVolumesDeps,
  place: string,
  options: { sizeBytes?: number; mode: string },
): Promise<void> {
  if ((await deps.mounter.below(place)).includes(place)) return;
  try {
    await deps.mounter.tmpfs(place, options);
  } catch (error) {
    deps.log.warn({ component: 'volumes', err: messageOf(error) }, 'no memory file system: the volume is on disk');
  }
}

function rootOf(dir: string, volume: Volume): string {
  return volume.hostPath ? normalize(volume.hostPath.path) : join(dir, 'volumes', volume.name);
}

function mountOf(mount: VolumeMount, volume: Volume, source: string): Mount {
  const projected = volume.configMap || volume.secret || volume.downwardAPI || volume.projected;
  const propagation =
    mount.mountPropagation === 'HostToContainer'
      ? 'rslave'
      : mount.mountPropagation === 'Bidirectional'
        ? 'rshared'
        : undefined;
  return {
    source,
    target: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
    readOnly: mount.readOnly === true || projected !== undefined,
    ...(propagation ? { propagation } : {}),
  };
}

/**
 * A place of the agent's own that shows what the subPath leads to. It is bound by the descriptor that was checked, so a link
 * that is put there meanwhile leads nowhere.
 */
async function subPathSource(
  deps: FileVolumesDeps,
  dir: string,
  root: string,
  container: string,
  index: number,
  subPath: string,
): Promise<string> {
  const place = join(dir, 'sub-paths', container, String(index));
  // Files of a projected volume are links within it: they are followed to the version of now, as the kubelet does.
  const inside = await resolveProjected(root, subPath);
  if ((await deps.mounter.below(place)).includes(place)) await deps.mounter.unmount(place);
  await rm(place, { recursive: true, force: true });
  await mkdir(dirname(place), { recursive: true, mode: 0o750 });
  return withSubPath(root, inside, async (opened, isDirectory) => {
    if (isDirectory) await mkdir(place);
    else await writeFile(place, '');
    await deps.mounter.bind(opened, place);
    return place;
  });
}

/** In a volume that the agent writes itself, a name leads through `..data`. */
async function resolveProjected(root: string, subPath: string): Promise<string> {
  try {
    return join(await readlink(join(root, '..data')), subPath);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EINVAL') return subPath;
    throw error;
  }
}

/** The hosts and resolver files and the termination message, where the pod mounts nothing of its own. */
async function ownFiles(
  deps: FileVolumesDeps,
  pod: Pod,
  container: Container,
  attempt: number,
  dir: string,
  facts: PodFacts,
): Promise<Mount[]> {
  const messages = join(dir, 'containers', container.name);
  await mkdir(messages, { recursive: true, mode: 0o750 });
  const message = join(messages, String(attempt));
  await writeFile(message, '');
  await chmod(message, 0o666);
  for (const name of await readdir(messages)) {
    if (Number(name) < attempt - 1) await rm(join(messages, name), { force: true });
  }
  const hosts = join(dir, 'hosts');
  await writeIfDifferent(hosts, await hostsFile(pod, facts));
  const resolver = join(dir, 'resolv.conf');
  await writeIfDifferent(resolver, formatResolvConf(deps.dnsOf(pod)));
  return [
    { source: message, target: container.terminationMessagePath || defaultMessagePath, readOnly: false },
    { source: hosts, target: '/etc/hosts', readOnly: false },
    { source: resolver, target: '/etc/resolv.conf', readOnly: false },
  ];
}

async function hostsFile(pod: Pod, facts: PodFacts): Promise<string> {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}`);
  const base = pod.spec.hostNetwork
    ? await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1\tlocalhost\n')
    : podHosts(pod, facts);
  return aliases.length > 0 ? `${base}\n# From the pod's hostAliases.\n${aliases.join('\n')}\n` : base;
}

function podHosts(pod: Pod, facts: PodFacts): string {
  return [
    '# Written by the node for the containers of this pod.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...(facts.podIP ? [`${facts.podIP}\t${hostnameOf(pod)}`] : []),
    '',
  ].join('\n');
}

/** In place: containers have the file itself mounted. */
async function writeIfDifferent(path: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (before === text) return;
  await writeFile(path, text);
  await chmod(path, 0o644);
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
