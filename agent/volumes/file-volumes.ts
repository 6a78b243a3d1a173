import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod } from '../../shared/generated/types.ts';
import { KeyedMutex } from '../../shared/keyed-mutex.ts';
import type { Dns } from '../dns/pod-dns.ts';
import { diskUsage } from '../host/disk-usage.ts';
import type { PodEnvironment } from '../pod/inputs.ts';
import { managedFiles, terminationMessage } from './managed-files.ts';
import { ifMissing } from './missing.ts';
import type { Mounter } from './mounter.ts';
import { volumeMounts, volumePath } from './mounts.ts';
import { pathPart } from './path-part.ts';
import { type PodVolumes, setUpEach, type VolumeFailure } from './pod-volumes.ts';
import { removeTree } from './remove-tree.ts';
import { findSource, sourceOf } from './sources.ts';

export interface FileVolumesDeps {
  /** The directory of all pods' files; the engine sees it under the same path. */
  readonly dir: string;
  readonly mounter: Mounter;
  /** The directory of the node's local volumes; the engine sees it under the same path. */
  readonly localRoot: string;
  dnsOf(pod: Pod): Dns;
}

/**
 * The files of pods under `dir/UID`: `volumes/NAME`, `sub-paths/CONTAINER/N`, `containers/NAME/ATTEMPT` (termination messages), `hosts`
 * and `resolv.conf`. Each volume in memory, such as secrets and tokens, is a mount.
 */
export function fileVolumes({ dir: root, mounter, localRoot, dnsOf }: FileVolumesDeps): PodVolumes {
  const podDir = (uid: string): string => join(root, pathPart(uid));
  const locks = new KeyedMutex();
  const setUp = (dir: string, environment: PodEnvironment, step: 'prepare' | 'refresh'): Promise<VolumeFailure[]> =>
    setUpEach(
      environment,
      async (volume, from) => {
        const found = sourceOf(volume);
        const act = found.kind[step];
        if (!act) return;
        const named = { ...from, name: volume.name };
        if (step === 'prepare') found.kind.check?.(found.source, named);
        const path = volumePath(dir, found, named);
        await act(found.source, { ...named, path, mounter, localRoot });
      },
      async (volume) => {
        const path = join(dir, 'volumes', pathPart(volume.name));
        return (await findSource(volume)?.kind.isPrepared?.(path)) ?? false;
      },
    );
  return {
    async prepare(pod, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      await mkdir(join(dir, 'volumes'), { recursive: true, mode: 0o750 });
      return setUp(dir, { pod, inputs, facts }, 'prepare');
    },

    refresh: (pod, inputs, facts) => setUp(podDir(pod.metadata.uid), { pod, inputs, facts }, 'refresh'),

    async mounts(pod, container, attempt, inputs, facts) {
      const dir = podDir(pod.metadata.uid);
      const mounts = [
        ...(await volumeMounts({ mounter, locks }, { pod, inputs, facts }, container, dir)),
        ...(await managedFiles(dir, { pod, dns: dnsOf(pod), podIP: facts.podIP }, container, attempt)),
      ];
      return mounts.filter(({ target }, i) => mounts.findIndex((other) => other.target === target) === i);
    },

    terminationMessage: (uid, container, attempt) => terminationMessage(podDir(uid), container, attempt),

    async usage(uid, names, signal) {
      const paths = new Map(names.map((name) => [join(podDir(uid), 'volumes', pathPart(name)), name]));
      const used = await diskUsage([...paths.keys()], signal);
      return new Map([...used].map(([path, bytes]) => [paths.get(path) ?? '', bytes]));
    },

    async remove(uid) {
      const dir = podDir(uid);
      // Nothing is deleted through a mount: what is behind it may belong to others.
      for (const point of await mounter.below(dir)) await mounter.unmount(point);
      const left = await mounter.below(dir);
      if (left.length > 0) throw new Error(`still mounted: ${left.join(', ')}`);
      await removeTree(dir);
    },

    list: () => readdir(root).catch(ifMissing<string[]>([])),
  };
}
