import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { guardedMounter, unmountBelow } from '../../test/support/guarded-mounter.ts';
import { removeTree } from './remove-tree.ts';

let dir: string;
const mounter = guardedMounter(() => dir);
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-remove-'));
});
afterEach(async () => {
  await unmountBelow(dir);
  await rm(dir, { recursive: true, force: true });
});

it('a tree is removed with all that is in it, through no link, and is gone when it is removed again', async () => {
  await mkdir(join(dir, 'kept'));
  await writeFile(join(dir, 'kept', 'file'), '');
  await mkdir(join(dir, '-tree', 'deep'), { recursive: true });
  await symlink(join(dir, 'kept'), join(dir, '-tree', 'deep', 'link'));
  await removeTree(join(dir, '-tree'));
  await removeTree(join(dir, '-tree'));
  expect(await readdir(dir)).toEqual(['kept']);
  expect(await readdir(join(dir, 'kept'))).toEqual(['file']);
});

it('a tree with a mounted file system is kept with an error, and removed once the mount is gone', async () => {
  const place = join(dir, 'tree', 'mounted');
  await mkdir(place, { recursive: true });
  await mounter.tmpfs(place, { mode: '0755' });
  await writeFile(join(place, 'precious'), '');
  await expect(removeTree(join(dir, 'tree'))).rejects.toThrow(/skipping|busy/i);
  expect(await readdir(place)).toEqual(['precious']);
  await mounter.unmount(place);
  await removeTree(join(dir, 'tree'));
  expect(await readdir(dir)).toEqual([]);
});
