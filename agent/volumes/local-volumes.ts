import { chmod, lstat, mkdir, open, readdir, rename, statfs } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { diskUsage } from '../host/disk-usage.ts';
import { ConfigError } from '../pod/inputs.ts';
import { ifMissing } from './missing.ts';
import type { Mounter } from './mounter.ts';
import { pathPart } from './path-part.ts';
import { removeTree } from './remove-tree.ts';

/** The node's directory of local volumes, one directory each. All operations are idempotent. */
export interface LocalVolumes {
  /** Absolute. */
  readonly root: string;
  /** Deletes the data at `path`. Throws when it is not directly below the root, or when something is mounted there. */
  remove(path: string): Promise<void>;
  /** Deletes what a former process had begun to delete. */
  sweep(): Promise<void>;
  /** The bytes on disk of each volume, by path. */
  usage(signal: AbortSignal): Promise<Map<string, number>>;
  /** Of the file system of the root, in bytes. Throws while the root does not exist. */
  space(): Promise<{ readonly capacityBytes: number; readonly availableBytes: number }>;
}

/** For hollow nodes: volumes without files. */
export const hollowLocalVolumes: LocalVolumes = {
  root: '/var/lib/coracle/local-volumes',
  remove: async () => undefined,
  sweep: async () => undefined,
  usage: async () => new Map(),
  space: async () => ({ capacityBytes: 0, availableBytes: 0 }),
};

/** Where data lies while it is being deleted. No volume has this name: it begins with a dot. */
const asideName = '.deleted';

/**
 * A volume is deleted in two steps: it is renamed aside, which is made durable, and then removed. A process that ends between the two
 * leaves nothing under the volume's own name; the next one removes the rest.
 */
export function localVolumes(root: string, mounter: Pick<Mounter, 'below'>): LocalVolumes {
  const aside = join(root, asideName);
  return {
    root,

    async remove(path) {
      const name = nameBelow(root, path);
      if (name === undefined) throw new Error(`${path} is not a local volume of this node: those are below ${root}`);
      const mounted = await mounter.below(path);
      if (mounted.length > 0) throw new Error(`still mounted: ${mounted.join(', ')}`);
      // A link is moved and removed itself, not what it leads to.
      if (await lstat(path).catch(ifMissing(undefined))) {
        await mkdir(aside, { recursive: true, mode: 0o700 });
        await rename(path, await freePath(aside, name));
        await syncDirectory(aside);
      }
      await syncDirectory(root);
      for (const entry of await namesIn(aside)) {
        if (entry.startsWith(`${name}~`)) await removeTree(join(aside, entry));
      }
    },

    async sweep() {
      for (const entry of await namesIn(aside)) await removeTree(join(aside, entry));
    },

    async usage(signal) {
      const names = (await namesIn(root)).filter((name) => !name.startsWith('.'));
      return diskUsage(
        names.map((name) => join(root, name)),
        signal,
      );
    },

    async space() {
      const { blocks, bavail, bsize } = await statfs(root);
      return { capacityBytes: blocks * bsize, availableBytes: bavail * bsize };
    },
  };
}

/** The name of a local volume whose path is directly below `root`; undefined for any other path. */
export function nameBelow(root: string, path: string): string | undefined {
  const plain = normalize(path).replace(/\/+$/, '');
  if (path.split('/').includes('..') || dirname(plain) !== normalize(root).replace(/\/+$/, '')) return undefined;
  try {
    return pathPart(basename(plain));
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Makes the directory of a local volume, open to all users of the pods that mount it. One that exists stays as it is. */
export async function makeLocalVolume(root: string, name: string): Promise<void> {
  const path = join(root, name);
  const found = await lstat(path).catch(ifMissing(undefined));
  if (found?.isDirectory()) return;
  if (found) throw new ConfigError(`${path} is not a directory`);
  await mkdir(root, { recursive: true, mode: 0o755 });
  // Renamed when it is complete: a directory of the final name has its mode.
  const fresh = join(root, `.${name}`);
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  await chmod(fresh, 0o777);
  await rename(fresh, path);
  await syncDirectory(root);
}

async function freePath(aside: string, name: string): Promise<string> {
  const taken = new Set(await namesIn(aside));
  let count = 0;
  while (taken.has(`${name}~${count}`)) count++;
  return join(aside, `${name}~${count}`);
}

function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch(ifMissing<string[]>([]));
}

/** Makes renames in the directory survive a power cut. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(ifMissing(undefined));
  if (!directory) return;
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
