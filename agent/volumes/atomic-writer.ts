import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifMissing } from './missing.ts';
import type { Payload } from './payload.ts';

/** Links to the directory of the current files. */
export const currentLink = '..data';

/**
 * Replaces the files of a projected volume at once: a directory named after their hash holds them, `..data` links to it and is replaced by
 * a rename, and each top-level name is a link through `..data`. `group`: the gid that owns and may read the files.
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
    const link = join(dir, name);
    if ((await linkOf(link)) === join(currentLink, name)) continue;
    await rm(link, { recursive: true, force: true });
    await symlink(join(currentLink, name), link);
  }
  for (const name of await readdir(dir)) {
    if (name === currentLink || name === target || names.has(name)) continue;
    await rm(join(dir, name), { recursive: true });
  }
}

/** Whether the directory holds the whole content of a payload. */
export async function isWritten(dir: string): Promise<boolean> {
  const target = await linkOf(join(dir, currentLink));
  return target !== undefined && (await readdir(join(dir, target)).catch(() => undefined)) !== undefined;
}

/** Writes under another name and renames, so that a directory of the final name is complete. */
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

/** Sets the mode by chmod, past the umask of the process. */
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

/** The target of a link; undefined when there is no link. */
async function linkOf(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(ifMissing(undefined));
  return found?.isSymbolicLink() ? readlink(path) : undefined;
}
