import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalVolumes, localVolumes, makeLocalVolume, nameBelow } from './local-volumes.ts';

let dir: string;
let root: string;
let mounted: string[];
let volumes: LocalVolumes;
const open = (): LocalVolumes => localVolumes(root, { below: async () => mounted });
const at = (name: string): string => join(root, name);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-local-'));
  root = join(dir, 'local-volumes');
  mounted = [];
  volumes = open();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function filled(name: string): Promise<void> {
  await makeLocalVolume(root, name);
  await mkdir(join(at(name), 'deep', 'deeper'), { recursive: true });
  await writeFile(join(at(name), 'deep', 'file'), 'x');
}

describe('a local volume', () => {
  it('is made once, open to the users of its pods, and keeps its content', async () => {
    await filled('pvc-1');
    await makeLocalVolume(root, 'pvc-1');
    expect(await readFile(join(at('pvc-1'), 'deep', 'file'), 'utf8')).toBe('x');
    expect((await stat(at('pvc-1'))).mode & 0o7777).toBe(0o777);
    expect(await readdir(root)).toEqual(['pvc-1']);
  });

  it('is not made where a file or a link lies', async () => {
    await mkdir(root);
    await symlink('/etc', at('pvc-1'));
    await writeFile(at('pvc-2'), '');
    for (const name of ['pvc-1', 'pvc-2']) {
      await expect(makeLocalVolume(root, name)).rejects.toThrow('is not a directory');
    }
  });

  it('is deleted whole, and again when there is nothing', async () => {
    await filled('pvc-1');
    await filled('pvc-2');
    await volumes.remove(at('pvc-1'));
    await volumes.remove(at('pvc-1'));
    expect((await readdir(root)).sort()).toEqual(['.deleted', 'pvc-2']);
    expect(await readdir(at('.deleted'))).toEqual([]);
    await rm(root, { recursive: true });
    await volumes.remove(at('pvc-1'));
  });

  it('is deleted by the next process when the first ended in between', async () => {
    await filled('pvc-1');
    await mkdir(at('.deleted'));
    await rename(at('pvc-1'), at('.deleted/pvc-1~0'));
    // It was used again before the deletion was assigned once more.
    await filled('pvc-1');
    await open().remove(at('pvc-1'));
    expect(await readdir(at('.deleted'))).toEqual([]);
    await filled('pvc-2');
    await rename(at('pvc-2'), at('.deleted/pvc-2~0'));
    await open().sweep();
    expect(await readdir(at('.deleted'))).toEqual([]);
  });

  it('is deleted without what a link in it, or in its place, leads to', async () => {
    const host = join(dir, 'host');
    await mkdir(host);
    await writeFile(join(host, 'precious'), 'x');
    await filled('pvc-1');
    await symlink(host, join(at('pvc-1'), 'link'));
    await symlink(host, at('pvc-2'));
    await volumes.remove(at('pvc-1'));
    await volumes.remove(at('pvc-2'));
    expect(await readFile(join(host, 'precious'), 'utf8')).toBe('x');
    await expect(lstat(at('pvc-2'))).rejects.toThrow('ENOENT');
  });

  it('stays while something is mounted in it', async () => {
    await filled('pvc-1');
    mounted = [join(at('pvc-1'), 'deep')];
    await expect(volumes.remove(at('pvc-1'))).rejects.toThrow('still mounted');
    expect(await readdir(at('pvc-1'))).toEqual(['deep']);
  });

  it('is nothing but a directory directly below the root', async () => {
    await filled('pvc-1');
    const others = [
      root,
      `${root}/`,
      at('.deleted'),
      at('a/b'),
      at('..'),
      at('../x'),
      `${root}/a/../..`,
      '/etc',
      at('.'),
      '',
    ];
    for (const path of others) {
      expect(nameBelow(root, path)).toBeUndefined();
      await expect(volumes.remove(path)).rejects.toThrow('is not a local volume of this node');
    }
    expect([at('pvc-1'), `${root}//pvc-1/`, at('./pvc-1')].map((path) => nameBelow(root, path))).toEqual(
      Array(3).fill('pvc-1'),
    );
    expect(await readdir(at('pvc-1'))).toEqual(['deep']);
  });

  it('tells what it takes on the disk', async () => {
    await filled('pvc-1');
    await writeFile(join(at('pvc-1'), 'large'), Buffer.alloc(1 << 20));
    const used = await volumes.usage(new AbortController().signal);
    expect([...used.keys()]).toEqual([at('pvc-1')]);
    expect(used.get(at('pvc-1'))).toBeGreaterThanOrEqual(1 << 20);
  });
});
