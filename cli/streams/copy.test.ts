import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unpack } from './copy.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-cp-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function unpacked(
  entries: Array<Partial<Header> & { name: string; text?: string }>,
  asked: string,
  root: string,
) {
  const archive = pack();
  for (const { text, ...header } of entries) archive.entry(header, text ?? '');
  archive.finalize();
  const warnings: string[] = [];
  const count = await unpack(Readable.from(archive), asked, root, false, (text) => warnings.push(text));
  return { count, warnings };
}

test('files and directories come with their permissions, below the target', async () => {
  const root = join(dir, 'conf');
  const { count, warnings } = await unpacked(
    [
      { name: 'etc/conf/', type: 'directory', mode: 0o755 },
      { name: 'etc/conf/a', mode: 0o640, text: 'one' },
      { name: 'etc/conf/deep/er/b', mode: 0o755, text: 'two' },
    ],
    '/etc/conf',
    root,
  );
  expect({ count, warnings }).toEqual({ count: 3, warnings: [] });
  expect(await readFile(join(root, 'a'), 'utf8')).toBe('one');
  expect((await lstat(join(root, 'a'))).mode & 0o777).toBe(0o640);
  expect(await readFile(join(root, 'deep/er/b'), 'utf8')).toBe('two');
});

test('a single file becomes the target itself', async () => {
  await unpacked([{ name: 'etc/hosts', text: 'x' }], '/etc/hosts', join(dir, 'new', 'hosts'));
  expect(await readFile(join(dir, 'new', 'hosts'), 'utf8')).toBe('x');
});

test('an archive that lies writes nothing outside of the target', async () => {
  const root = join(dir, 'target');
  const { warnings } = await unpacked(
    [
      { name: 'data/ok', text: 'ok' },
      { name: 'data/../../escaped', text: 'bad' },
      { name: '../escaped', text: 'bad' },
      { name: '/escaped', text: 'bad' },
      { name: 'data/link', type: 'symlink', linkname: '/' },
      { name: 'data/link/escaped', text: 'below a link that was not made' },
      { name: 'data/hard', type: 'link', linkname: '/etc/passwd' },
    ],
    'data',
    root,
  );
  expect((await readdir(dir)).sort()).toEqual(['target']);
  expect((await readdir(root)).sort()).toEqual(['link', 'ok']);
  expect((await lstat(join(root, 'link'))).isDirectory()).toBe(true);
  expect(warnings).toHaveLength(5);
});

test('a link that is in the target already is not followed', async () => {
  const root = join(dir, 'target');
  await mkdir(root);
  await mkdir(join(dir, 'outside'));
  await symlink(join(dir, 'outside'), join(root, 'link'));
  await expect(unpacked([{ name: 'data/link/x', text: 'bad' }], 'data', root)).rejects.toThrow(
    'leads out of the target',
  );
  await expect(unpacked([{ name: 'data/link', text: 'bad' }], 'data', root)).rejects.toThrow('leads out of the target');
  expect(await readdir(join(dir, 'outside'))).toEqual([]);
});
