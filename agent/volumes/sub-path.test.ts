import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guardedMounter, unmountBelow } from '../../test/support/guarded-mounter.ts';
import { openBelow } from '../../test/support/open-files.ts';
import type { Mounter } from './mounter.ts';
import { bindSubPath, checkSubPath } from './sub-path.ts';

let dir: string;
const mounter = guardedMounter(() => dir);
let root: string;
let place: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-sub-path-'));
  root = join(dir, 'volume');
  place = join(dir, 'place');
  await mkdir(join(root, 'own'), { recursive: true });
  await writeFile(join(root, 'own', 'pods'), '');
  await mkdir(join(dir, 'host'));
  await writeFile(join(dir, 'host', 'secret'), '');
});
afterEach(async () => {
  await unmountBelow(dir);
  await rm(dir, { recursive: true, force: true });
});

/** The real mounts, with something that happens to the volume before each. */
function mounterWith(before: () => Promise<void>, bind = mounter.bind): Mounter {
  return {
    ...mounter,
    async bind(opened, target) {
      await before();
      await bind(opened, target);
    },
  };
}

describe('a subPath', () => {
  it('shows the directory that was checked, whatever stands at its path when it is mounted', async () => {
    const swapped = mounterWith(async () => {
      await rename(join(root, 'own'), join(root, 'away'));
      await symlink(join(dir, 'host'), join(root, 'own'));
    });
    await bindSubPath(swapped, root, 'own', place);
    expect(await readdir(place)).toEqual(['pods']);
  });

  it('never shows what the name of a removed directory leads to', async () => {
    // The kernel names a removed directory so, and a path is what mount(8) would make of the descriptor.
    const removed = mounterWith(async () => {
      await rm(join(root, 'own', 'pods'));
      await rmdir(join(root, 'own'));
      await symlink(join(dir, 'host'), join(root, 'own (deleted)'));
    });
    await bindSubPath(removed, root, 'own', place).catch(() => undefined);
    expect(await readdir(place)).not.toContain('secret');
  });

  it('is undone when something else was mounted than was checked', async () => {
    const other = await mkdtemp(join(dir, 'other-'));
    await writeFile(join(other, 'secret'), '');
    const wrong = mounterWith(
      async () => undefined,
      async (_opened, target) => {
        const handle = await open(other, 'r');
        await mounter.bind(handle, target).finally(() => handle.close());
      },
    );
    await expect(bindSubPath(wrong, root, 'own', place)).rejects.toThrow('changed while it was mounted');
    expect(await mounter.below(dir)).toEqual([]);
    expect(await readdir(place)).toEqual([]);
  });

  it('is undone when the same inode of another file system was mounted', async () => {
    const [own, other] = [join(root, 'own'), await mkdtemp(join(dir, 'other-'))];
    for (const at of [own, other]) await mounter.tmpfs(at, { mode: '0755' });
    expect((await stat(own)).ino).toBe((await stat(other)).ino);
    const wrong = mounterWith(
      async () => undefined,
      async (_opened, target) => {
        const handle = await open(other, 'r');
        await mounter.bind(handle, target).finally(() => handle.close());
      },
    );
    await expect(bindSubPath(wrong, root, 'own', place)).rejects.toThrow('changed while it was mounted');
    expect(await mounter.below(place)).toEqual([]);
  });

  it('that several containers ask for at once is made once, and shown to each', async () => {
    const paths = Array.from({ length: 24 }, (_, i) => `made-${i % 3}/deep`);
    await Promise.all(paths.map((path, i) => bindSubPath(mounter, root, path, join(dir, `place-${i}`))));
    for (const [i, path] of paths.entries()) {
      expect((await stat(join(dir, `place-${i}`))).ino).toBe((await stat(join(root, path))).ino);
    }
  });

  it('shows nothing of the host while its pod swaps a directory and a link as fast as it can', async () => {
    const swapper = swap(join(root, 'own'), join(dir, 'host'));
    const end = performance.now() + 3_000;
    const shown = new Set<string>();
    try {
      for (let i = 0; i < 200 && performance.now() < end; i++) {
        const at = join(dir, `place-${i}`);
        try {
          await bindSubPath(mounter, root, 'own', at);
        } catch {
          // A link, or nothing, stood there at that moment.
          continue;
        }
        for (const name of await readdir(at)) shown.add(name);
        await mounter.unmount(at);
      }
    } finally {
      swapper.kill('SIGKILL');
    }
    expect([...shown].filter((name) => name !== 'pods')).toEqual([]);
  });

  it('that does not exist is made with the permissions and the group of the volume', async () => {
    await chown(root, -1, 4242);
    await chmod(root, 0o2770);
    await bindSubPath(mounter, root, 'made/deep', place);
    for (const path of ['made', 'made/deep']) {
      const made = await stat(join(root, path));
      expect([made.mode & 0o7777, made.uid, made.gid]).toEqual([0o2770, 0, 4242]);
    }
    await chmod(root, 0o777);
    await bindSubPath(mounter, root, 'open', join(dir, 'second'));
    expect((await stat(join(root, 'open'))).mode & 0o7777).toBe(0o777);
  });

  it('is found past empty parts and dots, and may be a file', async () => {
    await bindSubPath(mounter, root, './/own/.', place);
    expect(await readdir(place)).toEqual(['pods']);
    await writeFile(join(root, 'own', 'file'), 'x');
    await bindSubPath(mounter, root, 'own/file', join(dir, 'second'));
    expect(await readFile(join(dir, 'second'), 'utf8')).toBe('x');
  });

  it('leads through a link of the node to its volume, and through none in it', async () => {
    await symlink(root, join(dir, 'way'));
    await bindSubPath(mounter, join(dir, 'way'), 'own', place);
    expect(await readdir(place)).toEqual(['pods']);
    await symlink('own', join(root, 'inner'));
    await symlink('/none', join(root, 'dangling'));
    for (const path of ['inner', 'inner/pods', 'dangling', 'own/../inner']) {
      const shown = bindSubPath(mounter, root, path, join(dir, 'second'));
      await expect(shown).rejects.toMatchObject({ name: 'ConfigError' });
    }
    expect(await readdir(dir)).not.toContain('second');
  });

  it('never makes what only the agent makes, nor a directory below a file', async () => {
    for (const path of ['..data', '..data/x', 'own/..2026']) {
      await expect(bindSubPath(mounter, root, path, place)).rejects.toThrow('ENOENT');
    }
    await expect(bindSubPath(mounter, root, 'own/pods/x', place)).rejects.toThrow('ENOTDIR');
    expect(await readdir(root)).toEqual(['own']);
    expect(await readdir(join(root, 'own'))).toEqual(['pods']);
  });

  it.each(['/own', '..', '../host', 'own/..', 'own/../../host'])('%j is refused', async (path) => {
    expect(() => checkSubPath(path)).toThrow('must be relative and without ".."');
    await expect(bindSubPath(mounter, root, path, place)).rejects.toThrow('must be relative');
  });

  it('may have two dots within a name', async () => {
    checkSubPath('a..b/..c');
    await bindSubPath(mounter, root, 'a..b', place);
    expect(await readdir(root)).toContain('a..b');
  });

  it('leaves no descriptor open, whether it is shown or refused', async () => {
    await symlink('own', join(root, 'link'));
    for (let i = 0; i < 10; i++) {
      await bindSubPath(mounter, root, `made-${i}/deep`, join(dir, `place-${i}`));
      await bindSubPath(mounter, root, 'own/link/x', place).catch(() => undefined);
      await bindSubPath(mounter, root, 'link', place).catch(() => undefined);
    }
    expect(await openBelow(dir)).toEqual([]);
  });

  it('leaves the permissions of what exists', async () => {
    await chmod(join(root, 'own'), 0o700);
    await chmod(root, 0o777);
    await bindSubPath(mounter, root, 'own', place);
    expect((await stat(join(root, 'own'))).mode & 0o7777).toBe(0o700);
  });
});

/** Puts the directory and a link to `target` at `path` in turn, without a pause, until killed. */
function swap(path: string, target: string): ChildProcess {
  const script = `
    const { renameSync, symlinkSync, unlinkSync } = require('node:fs');
    const [path, target] = process.argv.slice(1);
    for (;;) {
      renameSync(path, path + '.away');
      symlinkSync(target, path);
      unlinkSync(path);
      renameSync(path + '.away', path);
    }`;
  return spawn(process.execPath, ['-e', script, path, target], { stdio: 'ignore', timeout: 20_000 });
}
