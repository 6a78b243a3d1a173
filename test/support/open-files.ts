import { readdir, readlink } from 'node:fs/promises';

/** What this process has open below a directory. */
export async function openBelow(dir: string): Promise<string[]> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((path) => path.startsWith(dir));
}
