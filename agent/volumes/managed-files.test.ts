import { execFile } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  rmdir,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Container } from '../../shared/generated/types.ts';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { openBelow } from '../../test/support/open-files.ts';
import { readBounded } from '../host/read-bounded.ts';
import { managedFiles, terminationMessage } from './managed-files.ts';

const podIP = '10.64.3.9';
const dns = { servers: ['192.0.2.53'], searches: [], options: [] };
const huge = 2 ** 40;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-managed-files-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the files of a pod that its containers can write to', () => {
  it('are written anew without being read whole, however much was put into them', async () => {
    const make = () => managedFiles(dir, { pod: makePod('web', {}), podIP, dns }, container('app'), 0);
    await make();
    const before = await readFile(join(dir, 'hosts'), 'utf8');
    for (const name of ['hosts', 'resolv.conf']) await truncate(join(dir, name), huge);
    await make();
    expect(await readFile(join(dir, 'hosts'), 'utf8')).toBe(before);
    expect(await readFile(join(dir, 'resolv.conf'), 'utf8')).toBe('nameserver 192.0.2.53\n');
  });

  it('give the last 4 KiB of a termination message, and nothing through a link', async () => {
    await mkdir(join(dir, 'containers', 'app'), { recursive: true });
    const message = join(dir, 'containers', 'app', '0');
    await writeFile(message, `${'a'.repeat(10_000)}end`);
    expect(await terminationMessage(dir, 'app', 0)).toBe(`${'a'.repeat(4093)}end`);
    await truncate(message, huge);
    expect(await terminationMessage(dir, 'app', 0)).toHaveLength(4096);
    await rm(message);
    await symlink('/etc/passwd', message);
    await expect(terminationMessage(dir, 'app', 0)).rejects.toThrow('ELOOP');
    await expect(terminationMessage(dir, '../app', 0)).rejects.toThrow('cannot be part of a path');
  });
});

describe('the files that a container gets from its agent', () => {
  const make = (attempt: number, more: Partial<Container> = {}, ip = podIP) =>
    managedFiles(dir, { pod: makePod('web', {}), podIP: ip, dns }, container('app', more), attempt);
  const messages = () => readdir(join(dir, 'containers', 'app'));
  const mode = async (...path: string[]) => (await stat(join(dir, ...path))).mode & 0o777;

  it('are an empty message that any user may write, and the hosts and resolver that any may read', async () => {
    expect(await make(2)).toEqual([
      { source: join(dir, 'containers', 'app', '2'), target: '/dev/termination-log', readOnly: false },
      { source: join(dir, 'hosts'), target: '/etc/hosts', readOnly: false },
      { source: join(dir, 'resolv.conf'), target: '/etc/resolv.conf', readOnly: false },
    ]);
    expect(await readFile(join(dir, 'containers', 'app', '2'), 'utf8')).toBe('');
    expect(await mode('containers', 'app', '2')).toBe(0o666);
    expect([await mode('hosts'), await mode('resolv.conf')]).toEqual([0o644, 0o644]);
  });

  it('have the message where the container says', async () => {
    expect((await make(0, { terminationMessagePath: '/tmp/last' }))[0]?.target).toBe('/tmp/last');
    expect((await make(0, { terminationMessagePath: '' }))[0]?.target).toBe('/dev/termination-log');
  });

  it('keep the message of the attempt before, and none that is older', async () => {
    for (const attempt of [0, 1, 2]) await make(attempt);
    expect((await messages()).sort()).toEqual(['1', '2']);
    await writeFile(join(dir, 'containers', 'app', 'unknown'), '');
    await make(12);
    expect((await messages()).sort()).toEqual(['12', 'unknown']);
    // An attempt that could not be created is made again: what one before it wrote is not its own.
    await writeFile(join(dir, 'containers', 'app', '12'), 'of another');
    await make(12);
    expect(await terminationMessage(dir, 'app', 12)).toBeUndefined();
  });

  it('name the pod’s new address to the containers that run, in the same file', async () => {
    await make(0);
    const before = await stat(join(dir, 'hosts'));
    await make(1);
    expect((await stat(join(dir, 'hosts'))).mtimeMs).toBe(before.mtimeMs);
    await make(2, {}, '10.64.3.10');
    expect(await readFile(join(dir, 'hosts'), 'utf8')).toContain('10.64.3.10\tweb\n');
    expect((await stat(join(dir, 'hosts'))).ino).toBe(before.ino);
  });
});

describe('a termination message', () => {
  const path = () => join(dir, 'containers', 'app', '0');
  const message = () => terminationMessage(dir, 'app', 0);
  beforeEach(() => mkdir(join(dir, 'containers', 'app'), { recursive: true }));

  it('is the whole of a short file, and nothing of an empty or missing one', async () => {
    expect(await message()).toBeUndefined();
    await writeFile(path(), '');
    expect(await message()).toBeUndefined();
    await writeFile(path(), 'it broke\n');
    expect(await message()).toBe('it broke\n');
    await writeFile(path(), 'x'.repeat(4096));
    expect(await message()).toHaveLength(4096);
  });

  it('leaves no descriptor open, whatever lies there', async () => {
    await writeFile(path(), 'it broke');
    for (let i = 0; i < 5; i++) await message();
    await rm(path());
    await mkdir(path());
    for (let i = 0; i < 5; i++) await message();
    expect(await openBelow(dir)).toEqual([]);
  });

  it('is nothing when a directory or a pipe lies in its place', async () => {
    await mkdir(path());
    expect(await message()).toBeUndefined();
    await rmdir(path());
    await promisify(execFile)('mkfifo', [path()]);
    expect(await message()).toBeUndefined();
  });
});

describe('a bounded read', () => {
  it('gives a text that fits, and of all else nothing', async () => {
    const path = join(dir, 'text');
    expect(await readBounded(path, 4)).toBeUndefined();
    await writeFile(path, 'four');
    await chmod(path, 0o600);
    expect(await readBounded(path, 4)).toBe('four');
    expect(await readBounded(path, 3)).toBeUndefined();
    await symlink(path, join(dir, 'link'));
    expect(await readBounded(join(dir, 'link'), 4)).toBeUndefined();
    expect(await readBounded(dir, 4)).toBeUndefined();
  });
});
