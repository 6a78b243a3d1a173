import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileVolumes } from '../../agent/volumes/file-volumes.ts';
import type { Mounter } from '../../agent/volumes/mounter.ts';
import type { PodVolumes } from '../../agent/volumes/pod-volumes.ts';
import { guardedMounter, unmountBelow } from './guarded-mounter.ts';

/** A node's directory of pods' files, with the real mounts unless others are given. */
export class VolumesScene {
  readonly dir: string;
  readonly volumes: PodVolumes;

  private constructor(dir: string, mounter: Mounter) {
    this.dir = dir;
    const dns = { servers: ['192.0.2.53'], searches: ['example.org'], options: [] };
    this.volumes = fileVolumes({
      dir: join(dir, 'pods'),
      mounter,
      localRoot: join(dir, 'local-volumes'),
      dnsOf: () => dns,
    });
  }

  static async make(mounter: Partial<Mounter> = {}): Promise<VolumesScene> {
    const dir = await mkdtemp(join(tmpdir(), 'coracle-volumes-'));
    return new VolumesScene(dir, { ...guardedMounter(() => dir), ...mounter });
  }

  /** Where a volume of the pod with this uid lies. */
  volume(name: string, uid = 'uid-web'): string {
    return join(this.dir, 'pods', uid, 'volumes', name);
  }

  async close(): Promise<void> {
    await unmountBelow(this.dir);
    await rm(this.dir, { recursive: true, force: true });
  }
}
