import { appendFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemMounter } from '../volumes/mounter.ts';
import { diskUsage } from './disk-usage.ts';

const mib = 2 ** 20;
const never = new AbortController().signal;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-usage-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('returns the usage of each path, and skips missing ones', async () => {
  const [a, b] = [join(dir, 'a'), join(dir, 'b\u00e9 c')];
  await mkdir(join(a, 'deep/er'), { recursive: true });
  await writeFile(join(a, 'deep/er/file'), Buffer.alloc(3 * mib, 1));
  await writeFile(b, Buffer.alloc(mib, 1));
  const used = await diskUsage([a, b, join(dir, 'gone')], never);
  expect([...used.keys()].sort()).toEqual([a, b].sort());
  expect((used.get(a) ?? 0) / mib).toBeCloseTo(3, 0);
  expect((used.get(b) ?? 0) / mib).toBeCloseTo(1, 1);
});

it('follows no link, and enters no other file system', async () => {
  const [inside, outside] = [join(dir, 'inside'), join(dir, 'outside')];
  await mkdir(join(inside, 'mounted'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'large'), Buffer.alloc(4 * mib, 1));
  await symlink(outside, join(inside, 'link'));
  await systemMounter.tmpfs(join(inside, 'mounted'), { mode: '0777' });
  try {
    await appendFile(join(inside, 'mounted', 'file'), Buffer.alloc(4 * mib, 1));
    expect((await diskUsage([inside], never)).get(inside)).toBeLessThan(mib);
  } finally {
    await systemMounter.unmount(join(inside, 'mounted'));
  }
});

it('is cancelled when no caller waits for it', async () => {
  await expect(diskUsage(['/'], AbortSignal.timeout(1))).rejects.toThrow();
});
