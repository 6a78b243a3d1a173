import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifMissing } from './missing.ts';
import type { Payload } from './payload.ts';

/** Names the directory of the files that are shown now. */
export const currentLink = '..data';

/**
 * Brings a projected volume to what `payload` says, all at once: the files lie in a directory named after their content, `..data`
 * points to it and is swapped by a rename, and each name at the top is a link through `..data`. A reader sees the old
 * files or the new, never a mixture. `group`: who the files belong to, and may read them.
 */
export async function writeProjected(dir: string, payload: Payload, group: number | undefined): Promise<void> {
  const target = `..${sumOf(payload, group)}`;
  if ((await linkOf(join(dir, currentLink))) !== target) {
    await writeFiles(dir, target, payload, group);
    const link = join(dir, '..data_tmp');
    await rm(link, { force: true });
    await symlink(target, link);
    await rename(link, join(dir, currentLink));
  }
  const names = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? ''));
  for (const name of names) {
    const place = join(dir, name);
    if ((await linkOf(place)) === join(currentLink, name)) continue;
    await rm(place, { recursive: true, force: true });
    await symlink(join(currentLink, name), place);
  }
  for (const name of await readdir(dir)) {
    if (name === currentLink || name === target || names.has(name)) continue;
    await rm(join(dir, name), { recursive: true });
  }
}

/** Whether the directory holds the whole content of some payload. */
export async function isWritten(dir: string): Promise<boolean> {
  const target = await linkOf(join(dir, currentLink));
  return target !== undefined && (await readdir(join(dir, target)).catch(() => undefined)) !== undefined;
}

/** Under another name first: a directory of the right name is a whole one. */
async function writeFiles(dir: string, target: string, payload: Payload, group: number | undefined): Promise<void> {
  const fresh = join(dir, '..fresh');
  await rm(fresh, { recursive: true, force: true });
  await rm(join(dir, target), { recursive: true, force: true });
  await makeDirectory(fresh);
  for (const [path, { data, mode, owner }] of payload) {
    const file = join(fresh, path);
    const parents = path.split('/').slice(0, -1);
    for (const [i] of parents.entries()) await makeDirectory(join(fresh, ...parents.slice(0, i + 1)));
    await writeFile(file, data);
    if (group !== undefined || owner !== undefined) await chown(file, owner ?? 0, group ?? 0);
    await chmod(file, group === undefined ? mode : mode | 0o440);
  }
  await rename(fresh, join(dir, target));
}

/** Modes are given by chmod, for the process's umask is not the pod's. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o755);
}

function sumOf(payload: Payload, group: number | undefined): string {
  const hash = createHash('sha256').update(String(group));
  for (const [path, { data, mode, owner }] of [...payload].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\0${path}\0${mode}\0${owner ?? ''}\0${data.length}\0`).update(data);
  }
  return hash.digest('hex').slice(0, 24);
}

/** Where the link leads; undefined when there is none, or something else. */
async function linkOf(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(ifMissing(undefined));
  return found?.isSymbolicLink() ? readlink(path) : undefined;
}
