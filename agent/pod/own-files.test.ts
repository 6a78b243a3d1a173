import { chmod, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { container, makePod } from '../../test/support/hollow-agent.ts';
import { readBounded } from '../read-bounded.ts';
import type { PodFacts } from './inputs.ts';
import { ownFiles, terminationMessage } from './own-files.ts';

const facts: PodFacts = {
  nodeName: 'node-1',
  hostIP: '192.0.2.1',
  podIP: '10.64.3.9',
  allocatable: { cpuMillis: 4000, memoryBytes: 2 ** 30, ephemeralBytes: 2 ** 30 },
};
const dns = { servers: ['192.0.2.53'], searches: [], options: [] };
const huge = 2 ** 40;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'coracle-own-files-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the files of a pod that its containers can write to', () => {
  it('are written anew without being read whole, however much was put into them', async () => {
    const make = () => ownFiles(makePod('web', {}), container('app'), 0, dir, dns, facts);
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
