import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guardedMounter, unmountBelow } from '../../test/support/guarded-mounter.ts';

let dir: string;
const mounter = guardedMounter(() => dir);
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-mounter-'));
});
afterEach(async () => {
  await unmountBelow(dir);
  await rm(dir, { recursive: true, force: true });
});

const make = async (...path: string[]) => {
  const place = join(dir, ...path);
  await mkdir(place, { recursive: true });
  return place;
};

describe('mounts of the node', () => {
  it('in memory have the size, mode and group of their options, and hold no devices or set-uid programs', async () => {
    const place = await make('bounded');
    await mounter.tmpfs(place, { sizeBytes: 2 ** 20, mode: '2770', group: 4242 });
    const { mode, gid } = await stat(place);
    expect([mode & 0o7777, gid]).toEqual([0o2770, 4242]);
    const { blocks, bsize } = await statfs(place);
    expect(blocks * bsize).toBe(2 ** 20);
    const line = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').find((each) => each.includes(place));
    expect(line).toMatch(/[ ,]nosuid,nodev[, ]/);
  });

  it('in memory are root’s and of the kernel’s size without options', async () => {
    const place = await make('plain');
    await mounter.tmpfs(place, { mode: '0755' });
    const { mode, gid } = await stat(place);
    expect([mode & 0o7777, gid]).toEqual([0o755, 0]);
    const { blocks, bsize } = await statfs(place);
    expect(blocks * bsize).toBeGreaterThan(2 ** 20);
    const owned = await make('of-root');
    await mounter.tmpfs(owned, { mode: '0700', group: 0 });
    expect((await stat(owned)).gid).toBe(0);
  });

  it('show what is open at another place', async () => {
    const [source, target] = [await make('source'), await make('target')];
    await writeFile(join(source, 'file'), 'x');
    const opened = await open(source, 'r');
    await mounter.bind(opened, target).finally(() => opened.close());
    expect(await readdir(target)).toEqual(['file']);
    await mounter.unmount(target);
    expect(await readdir(target)).toEqual([]);
    expect(await readdir(source)).toEqual(['file']);
  });

  it('are found at and below a directory, the deepest first, whatever they are called', async () => {
    const outer = await make('out er');
    await mounter.tmpfs(outer, { mode: '0755' });
    const inner = await make('out er', 'tab\there\\');
    await mounter.tmpfs(inner, { mode: '0755' });
    const beside = await make('out er2');
    await mounter.tmpfs(beside, { mode: '0755' });
    expect(await mounter.below(outer)).toEqual([inner, outer]);
    expect(await mounter.below(beside)).toEqual([beside]);
    expect(new Set(await mounter.below(dir))).toEqual(new Set([inner, outer, beside]));
    expect(await mounter.below(join(dir, 'out'))).toEqual([]);
    await mounter.unmount(inner);
    expect(await mounter.below(outer)).toEqual([outer]);
  });

  it('that are refused say why', async () => {
    await expect(mounter.unmount(await make('plain'))).rejects.toThrow(/not mounted|no mount point/);
    await expect(mounter.tmpfs(join(dir, 'none'), { mode: '0755' })).rejects.toThrow(/mount point/);
  });
});
