import { chmod, mkdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { currentLink, isWritten, writeProjected } from './atomic-writer.ts';
import type { Payload } from './payload.ts';
import type { VolumeContext, VolumeSource } from './source.ts';
import { mountTmpfs } from './tmpfs.ts';

type ProjectedSource<S> = Required<Pick<VolumeSource<S>, 'content'>> &
  Pick<VolumeSource<S>, 'tokens' | 'ephemeralStorage'> & {
    /** The files may be secret: they lie in a file system in memory, as with the kubelet. */
    readonly inMemory?: true;
  };

/** A source whose volume is files that the agent writes from the pod's inputs. */
export function projectedSource<S>({ content, inMemory, ...more }: ProjectedSource<S>): VolumeSource<S> {
  return {
    ...more,
    content,
    async prepare(source, volume) {
      const { path, mounter } = volume;
      const payload = content(source, volume);
      await mkdir(path, { recursive: true, mode: 0o755 });
      await chmod(path, 0o755);
      if (inMemory) await mountTmpfs(mounter, path, { mode: '0755' });
      await write(payload, volume);
    },
    async refresh(source, volume) {
      await write(content(source, volume), volume);
    },
    isPrepared: isWritten,
    readOnly: true,
    // Names in the volume are links: a sub path is bound to the current version, as with the kubelet.
    resolveSubPath: async (path, subPath) => join(await readlink(join(path, currentLink)), subPath),
  };
}

function write(payload: Payload, { path, pod }: VolumeContext): Promise<void> {
  return writeProjected(path, payload, pod.spec.securityContext?.fsGroup);
}
