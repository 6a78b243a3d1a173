import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { ConfigError } from './inputs.ts';

/** O_PATH of Linux: a place, without reading or touching what is there. */
const pathOnly = 0x20_0000;

/**
 * Opens `path` below `root`, making what is missing directories, and never following a link out of it: each part is opened
 * relative to the one before it, as a link or not at all. The container that can write to the volume may change it at
 * the same time; what is handed back is the very directory or file that was checked, as a path by its descriptor
 * (`/proc/PID/fd/N`, good until `use` returns).
 */
export async function withSubPath<T>(
  root: string,
  path: string,
  use: (opened: string, isDirectory: boolean) => Promise<T>,
): Promise<T> {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..'))
    throw new ConfigError(`subPath "${path}" must be relative and without ".."`);
  // The way to the root is the node's own: links in it are followed.
  let handle = await open(root, pathOnly);
  try {
    for (const part of parts) {
      const next = await openBelow(handle, part, path);
      await handle.close();
      handle = next;
    }
    return await use(`/proc/${process.pid}/fd/${handle.fd}`, (await handle.stat()).isDirectory());
  } finally {
    await handle.close();
  }
}

async function openBelow(parent: FileHandle, name: string, whole: string): Promise<FileHandle> {
  const place = `/proc/self/fd/${parent.fd}/${name}`;
  try {
    return await openPart(place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') throw new ConfigError(`subPath "${whole}" leads through a symbolic link`);
    if (code !== 'ENOENT') throw error;
  }
  await mkdir(place, { mode: 0o755 });
  return openPart(place);
}

/** With O_PATH a link that is not followed is opened itself: told apart by what it is. */
async function openPart(path: string): Promise<FileHandle> {
  const handle = await open(path, pathOnly | constants.O_NOFOLLOW);
  if (!(await handle.stat()).isSymbolicLink()) return handle;
  await handle.close();
  throw Object.assign(new Error('a symbolic link'), { code: 'ELOOP' });
}
