import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, opendir, writeFile } from 'node:fs/promises';
import { ConfigError } from '../pod/inputs.ts';
import type { Mounter } from './mounter.ts';

/** O_PATH of Linux: a place, without reading or touching what is there. */
const pathOnly = 0x20_0000;

/**
 * Shows at `place`, which does not exist yet, what `path` leads to below `root`. The mount is made from the descriptor that was
 * checked, not from a path, and is undone when it shows another inode. Throws ConfigError for a path that leads out.
 */
export async function bindSubPath(mounter: Mounter, root: string, path: string, place: string): Promise<void> {
  await withSubPath(root, path, async (opened) => {
    const wanted = await opened.stat({ bigint: true });
    if (wanted.isDirectory()) await mkdir(place);
    else await writeFile(place, '');
    await mounter.bind(opened, place);
    const shown = await open(place, pathOnly | constants.O_NOFOLLOW);
    const { dev, ino } = await shown.stat({ bigint: true }).finally(() => shown.close());
    if (dev === wanted.dev && ino === wanted.ino) return;
    await mounter.unmount(place);
    throw new ConfigError(`subPath "${path}" changed while it was mounted`);
  });
}

/** Throws ConfigError unless the path is relative and without `..`. */
export function checkSubPath(path: string): void {
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new ConfigError(`subPath "${path}" must be relative and without ".."`);
}

/**
 * Opens `path` below `root`, never following a link: each part is opened relative to the one before it. Directories that are
 * missing are made with the permissions of `root`, as the kubelet does; their group follows from its setgid bit. The
 * container that can write to the volume may change it at the same time: the handle stays on what was checked.
 */
async function withSubPath(root: string, path: string, use: (opened: FileHandle) => Promise<void>): Promise<void> {
  checkSubPath(path);
  // The way to the root is the node's own: links in it are followed.
  let handle = await open(root, pathOnly);
  try {
    const mode = (await handle.stat()).mode & 0o2777;
    for (const part of path.split('/')) {
      const next = await openBelow(handle, part, mode, path);
      await handle.close();
      handle = next;
    }
    await use(handle);
  } finally {
    await handle.close();
  }
}

async function openBelow(parent: FileHandle, name: string, mode: number, whole: string): Promise<FileHandle> {
  const place = `/proc/self/fd/${parent.fd}/${name}`;
  try {
    return await openPart(place, whole);
  } catch (error) {
    // `..data` and the like are the agent's own to make.
    if (codeOf(error) !== 'ENOENT' || name.startsWith('..')) throw error;
  }
  const made = await mkdir(place, { mode: 0o700 }).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    },
  );
  const handle = await openPart(place, whole);
  try {
    if (made) await giveMode(handle, mode);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Past the umask, by the descriptor; only of what can be the directory that was just made: the agent's own, and empty. */
async function giveMode(handle: FileHandle, mode: number): Promise<void> {
  const place = `/proc/self/fd/${handle.fd}`;
  const found = await handle.stat();
  if (!found.isDirectory() || found.uid !== process.getuid?.() || !(await isEmpty(place))) return;
  await chmod(place, mode);
}

async function isEmpty(directory: string): Promise<boolean> {
  const entries = await opendir(directory);
  try {
    return (await entries.read()) === null;
  } finally {
    await entries.close();
  }
}

/** With O_PATH a link that is not followed is opened itself: told apart by what it is. */
async function openPart(path: string, whole: string): Promise<FileHandle> {
  const handle = await open(path, pathOnly | constants.O_NOFOLLOW);
  if (!(await handle.stat()).isSymbolicLink()) return handle;
  await handle.close();
  throw new ConfigError(`subPath "${whole}" leads through a symbolic link`);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
