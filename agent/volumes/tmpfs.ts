import { readdir } from 'node:fs/promises';
import type { Mounter } from './mounter.ts';

/**
 * Mounts a file system in memory at an existing directory, unless one is mounted. A directory with content was made on disk by an earlier
 * version: containers that have it open would not see a mount over it, so it stays until its pod goes.
 */
export async function mountTmpfs(
  mounter: Mounter,
  path: string,
  options: Parameters<Mounter['tmpfs']>[1],
): Promise<void> {
  if ((await mounter.below(path)).includes(path) || (await readdir(path)).length > 0) return;
  await mounter.tmpfs(path, options);
}
