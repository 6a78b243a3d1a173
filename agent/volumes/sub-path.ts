import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, opendir, writeFile } from 'node:fs/promises';
import { ConfigError } from '../pod/inputs.ts';
import type { Mounter } from './mounter.ts';
import { pathOnly } from './path-only.ts';

/**
 * Bind-mounts `path` below `root` at `target`, which does not exist yet. The mount is made from the checked descriptor, not from a path, and
 * is undone when it shows another inode. Throws ConfigError for a path that leads out of `root`.
 */
export async function bindSubPath(mounter: Mounter, root: string, path: string, target: string): Promise<void> {
  await withSubPath(root, path, async (opened) => {
    const wanted = await opened.stat({ bigint: true });
    if (wanted.isDirectory()) await mkdir(target);
    else await writeFile(target, '');
    await mounter.bind(opened, target);
    const shown = await open(target, pathOnly | constants.O_NOFOLLOW);
    const { dev, ino } = await shown.stat({ bigint: true }).finally(() => shown.close());
    if (dev === wanted.dev && ino === wanted.ino) return;
    await mounter.unmount(target);
    throw new ConfigError(`subPath "${path}" changed while it was mounted`);
  });
}

/** Throws ConfigError unless the path is relative and without `..`. */
export function checkSubPath(path: string): void {
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw new ConfigError(`subPath "${path}" must be relative and without ".."`);
}

/**
 * Opens `path` below `root` without following a link: each part is opened relative to the one before it. Missing directories are made with
 * the permissions of `root`, as with the kubelet. Containers may change the volume meanwhile: the handle stays on what was checked.
 */
async function withSubPath(root: string, path: string, use: (opened: FileHandle) => Promise<void>): Promise<void> {
  checkSubPath(path);
  // The path of the root belongs to the node: links in it are followed.
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
  const entry = `/proc/self/fd/${parent.fd}/${name}`;
  try {
    return await openPart(entry, whole);
  } catch (error) {
    // Names like `..data` are reserved for the agent.
    if (codeOf(error) !== 'ENOENT' || name.startsWith('..')) throw error;
  }
  const made = await mkdir(entry, { mode: 0o700 }).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    },
  );
  const handle = await openPart(entry, whole);
  try {
    if (made) await setMode(handle, mode);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Sets the mode past the umask, and only of a directory that can be the one just made: it belongs to the agent and is empty. */
async function setMode(handle: FileHandle, mode: number): Promise<void> {
  const path = `/proc/self/fd/${handle.fd}`;
  const found = await handle.stat();
  if (!found.isDirectory() || found.uid !== process.getuid?.() || !(await isEmpty(path))) return;
  await chmod(path, mode);
}

async function isEmpty(directory: string): Promise<boolean> {
  const entries = await opendir(directory);
  try {
    return (await entries.read()) === null;
  } finally {
    await entries.close();
  }
}

/** O_PATH with O_NOFOLLOW opens a link itself, which is then refused. */
async function openPart(path: string, whole: string): Promise<FileHandle> {
  const handle = await open(path, pathOnly | constants.O_NOFOLLOW);
  if (!(await handle.stat()).isSymbolicLink()) return handle;
  await handle.close();
  throw new ConfigError(`subPath "${whole}" leads through a symbolic link`);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
