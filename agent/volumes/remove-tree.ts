import { runChild } from '../run-child.ts';

/** A removal that takes longer is given up, and goes on where it was when it is tried again. */
const limitMs = 10 * 60_000;

/**
 * Removes a directory that a pod may have filled with any number of files at any depth, which in this process would take its
 * memory, or end at the longest path there can be. The child (`rm`) follows no link and enters no other file system.
 */
export async function removeTree(path: string): Promise<void> {
  const { code, errorOutput } = await runChild('rm', ['-rf', '--one-file-system', '--', path], { limitMs });
  if (code !== 0) throw new Error(code === null ? `rm took longer than ${limitMs / 1000} s` : errorOutput);
}
