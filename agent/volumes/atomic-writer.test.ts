import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isWritten, writeProjected } from './atomic-writer.ts';
import type { Payload, ProjectedFile } from './payload.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-atomic-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function payload(files: Record<string, string>, more: Partial<ProjectedFile> = {}): Payload {
  return new Map(
    Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode: 0o644, ...more }]),
  );
}

/** What a container sees: path → text. */
async function shown(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const look = async (below: string): Promise<void> => {
    for (const name of await readdir(join(dir, below))) {
      const path = join(below, name);
      if (name.startsWith('..')) continue;
      if ((await stat(join(dir, path))).isDirectory()) await look(path);
      else found[path] = await readFile(join(dir, path), 'utf8');
    }
  };
  await look('.');
  return found;
}

const version = () => readlink(join(dir, '..data'));
const own = async () => (await readdir(dir)).filter((name) => name.startsWith('..')).sort();
const access = async (path: string) => {
  const { mode, uid, gid } = await stat(join(dir, path));
  return [mode & 0o7777, uid, gid];
};

describe('a projected volume', () => {
  it('shows its files by links through one that is swapped, which leads to a version of its own', async () => {
    await writeProjected(dir, payload({ a: '1', 'deep/er/b': '2', 'deep/c': '3' }), undefined);
    expect(await shown()).toEqual({ a: '1', 'deep/er/b': '2', 'deep/c': '3' });
    expect(await readlink(join(dir, 'a'))).toBe('..data/a');
    expect(await readlink(join(dir, 'deep'))).toBe('..data/deep');
    expect(await own()).toEqual([await version(), '..data'].sort());
  });

  it('shows what is added, changed and taken away, and keeps nothing of the version before', async () => {
    await writeProjected(dir, payload({ a: '1', gone: 'x', 'deep/a': '1' }), undefined);
    const before = await version();
    await writeProjected(dir, payload({ a: '2', b: '3', 'deep/b': '1' }), undefined);
    expect(await shown()).toEqual({ a: '2', b: '3', 'deep/b': '1' });
    expect(await version()).not.toBe(before);
    expect(await own()).toEqual([await version(), '..data'].sort());
    expect(await readdir(dir)).toHaveLength(5);
    await writeProjected(dir, payload({}), undefined);
    expect(await readdir(dir)).toHaveLength(2);
  });

  it('is not touched when it shows what it should', async () => {
    const files = payload({ a: '1', 'deep/b': '2' });
    await writeProjected(dir, files, 7);
    const changed = async (path: string) => (await lstat(join(dir, path), { bigint: true })).ctimeNs;
    const look = async () => [await version(), await changed('a'), await changed('..data/a')];
    const before = await look();
    await writeProjected(dir, new Map([...files].reverse()), 7);
    expect(await look()).toEqual(before);
  });

  it('has another version for each difference that a container could see', async () => {
    const versions = new Set<string>();
    const write = async (files: Payload, group?: number) => {
      await writeProjected(dir, files, group);
      versions.add(await version());
    };
    await write(payload({ a: '12', b: '' }));
    await write(payload({ a: '1', b: '2' }));
    await write(payload({ b: '12', a: '' }));
    await write(payload({ a: '12' }));
    await write(payload({ a: '12' }, { mode: 0o600 }));
    await write(payload({ a: '12' }, { owner: 7 }));
    await write(payload({ a: '12' }, { owner: 8 }));
    await write(payload({ a: '12' }, { owner: 0 }));
    await write(payload({ a: '12' }), 0);
    await write(payload({ a: '12' }), 7);
    expect(versions.size).toBe(10);
  });

  it('gives its files their mode, and their group the right to read them', async () => {
    await writeProjected(dir, payload({ a: '1' }, { mode: 0o604 }), undefined);
    expect(await access('a')).toEqual([0o604, 0, 0]);
    await writeProjected(dir, payload({ a: '1' }, { mode: 0o200 }), 4242);
    expect(await access('a')).toEqual([0o640, 0, 4242]);
    await writeProjected(dir, payload({ a: '1' }, { mode: 0o600, owner: 7 }), undefined);
    expect(await access('a')).toEqual([0o600, 7, 0]);
    await writeProjected(dir, payload({ a: '1' }, { mode: 0o600, owner: 7 }), 4242);
    expect(await access('a')).toEqual([0o640, 7, 4242]);
    await writeProjected(dir, payload({ a: '1' }), 0);
    expect(await access('a')).toEqual([0o644, 0, 0]);
  });

  // A thread cannot set the umask of its process.
  it.skipIf(!isMainThread)('can be read by its pod whatever the umask of the agent is', async () => {
    const before = process.umask(0o077);
    try {
      await writeProjected(dir, payload({ 'deep/er/a': '1' }), undefined);
    } finally {
      process.umask(before);
    }
    for (const path of ['..data', 'deep', 'deep/er']) expect(await access(path)).toEqual([0o755, 0, 0]);
    expect(await access('deep/er/a')).toEqual([0o644, 0, 0]);
  });

  it('goes on showing the old files when the new ones cannot be written, and the new ones when they can', async () => {
    await writeProjected(dir, payload({ a: '1' }), undefined);
    await expect(writeProjected(dir, payload({ a: '2', 'a/b': '3' }), undefined)).rejects.toThrow();
    expect(await shown()).toEqual({ a: '1' });
    expect(await isWritten(dir)).toBe(true);
    await writeProjected(dir, payload({ a: '4' }), undefined);
    expect(await shown()).toEqual({ a: '4' });
    expect(await readdir(dir)).toHaveLength(3);
  });

  it('is finished wherever a write was cut off', async () => {
    const [old, fresh] = [payload({ a: '1', gone: 'x', 'deep/a': '1' }), payload({ a: '2', b: '3' })];
    await writeProjected(dir, fresh, undefined);
    const target = await version();
    const cuts: Array<() => Promise<unknown>> = [
      // While the files were written, and just before they had their name.
      () => mkdir(join(dir, '..fresh', 'a'), { recursive: true }),
      // The version has its name, and is not shown. What a disk lost of it is written anew.
      () => mkdir(join(dir, target, 'a'), { recursive: true }),
      () => symlink(target, join(dir, '..data_tmp')),
      // The version is shown, by some names only.
      async () => {
        await writeProjected(dir, fresh, undefined);
        await rm(join(dir, 'b'));
        await symlink('..data/gone', join(dir, 'gone'));
        await mkdir(join(dir, '..other', 'deep'), { recursive: true });
      },
      async () => {
        await writeProjected(dir, fresh, undefined);
        await rm(join(dir, 'a'));
        await writeFile(join(dir, 'a'), 'not a link');
        await rm(join(dir, 'b'));
        await mkdir(join(dir, 'b', 'deep'), { recursive: true });
      },
      async () => {
        await writeProjected(dir, fresh, undefined);
        await rm(join(dir, 'a'));
        await symlink('/etc/hostname', join(dir, 'a'));
      },
    ];
    for (const cut of cuts) {
      await writeProjected(dir, old, undefined);
      await cut();
      await writeProjected(dir, fresh, undefined);
      expect(await shown()).toEqual({ a: '2', b: '3' });
      expect((await readdir(dir)).sort()).toEqual([target, '..data', 'a', 'b'].sort());
      expect(await readlink(join(dir, 'a'))).toBe('..data/a');
    }
  });

  it('is written when some whole version of it is there', async () => {
    expect(await isWritten(dir)).toBe(false);
    expect(await isWritten(join(dir, 'none'))).toBe(false);
    await symlink('..gone', join(dir, '..data'));
    expect(await isWritten(dir)).toBe(false);
    await rm(join(dir, '..data'));
    await mkdir(join(dir, '..data'));
    expect(await isWritten(dir)).toBe(false);
    await rm(join(dir, '..data'), { recursive: true });
    await writeProjected(dir, payload({}), undefined);
    expect(await isWritten(dir)).toBe(true);
    await writeFile(join(dir, 'file'), '');
    await expect(isWritten(join(dir, 'file'))).rejects.toThrow('ENOTDIR');
  });
});
