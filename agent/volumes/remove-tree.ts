import { runChild } from '../host/run-child.ts';

/** A removal that takes longer is killed; the next try continues it. */
const limitMs = 10 * 60_000;

/**
 * Removes a directory that a pod may have filled with any number of files at any depth: in this process that could take all memory, or fail
 * at the longest path. `rm` follows no link and enters no other file system.
 */
export async function removeTree(path: string): Promise<void> {
  const { code, errorOutput } = await runChild('rm', ['-rf', '--one-file-system', '--', path], { limitMs });
  if (code !== 0) throw new Error(code === null ? `rm took longer than ${limitMs / 1000} s` : errorOutput);
}
