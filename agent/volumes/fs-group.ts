import { constants } from 'node:fs';
import { chmod, chown, type FileHandle, open, opendir } from 'node:fs/promises';
import { ConfigError } from '../pod/inputs.ts';
import { ifMissing } from './missing.ts';
import { pathOnly } from './path-only.ts';

/** Directories below each other: each is open while those in it are done. */
const maxDepth = 256;
const setGid = 0o2000;

/**
 * Gives a volume and all in it to a group that may read and write it, as the kubelet does (`SetVolumeOwnership`): new files get the
 * group by the setgid bit. `onMismatch`: nothing is done when the volume's directory has the group and the mode already. Each file is
 * opened without following a link, and changed by its descriptor: containers may change the volume meanwhile.
 */
export async function setGroup(path: string, group: number, onMismatch: boolean): Promise<void> {
  const root = await open(path, pathOnly);
  try {
    const { gid, mode } = await root.stat();
    if (onMismatch && gid === group && (mode & 0o2770) === 0o2770) return;
    // The root last: only a volume that is done whole matches.
    await setInside(root, group, 0);
    await give(root, group);
  } finally {
    await root.close();
  }
}

async function setInside(directory: FileHandle, group: number, depth: number): Promise<void> {
  if (depth > maxDepth)
    throw new ConfigError(`fsGroup: the volume has more than ${maxDepth} directories in each other`);
  for await (const { name } of await opendir(`/proc/self/fd/${directory.fd}`)) {
    const entry = await open(`/proc/self/fd/${directory.fd}/${name}`, pathOnly | constants.O_NOFOLLOW).catch(
      ifMissing(undefined),
    );
    if (!entry) continue;
    try {
      const found = await entry.stat();
      if (found.isSymbolicLink()) continue;
      if (found.isDirectory()) await setInside(entry, group, depth + 1);
      await give(entry, group);
    } finally {
      await entry.close();
    }
  }
}

/** By the descriptor: the link in `/proc` leads to what was opened, wherever its name leads now. */
async function give(handle: FileHandle, group: number): Promise<void> {
  const path = `/proc/self/fd/${handle.fd}`;
  const found = await handle.stat();
  const mode = (found.mode & 0o7777) | (found.isDirectory() ? setGid | 0o770 : 0o660);
  if (found.gid === group && mode === (found.mode & 0o7777)) return;
  await chown(path, found.uid, group);
  await chmod(path, mode);
}
