import { expect, test } from 'vitest';
import { cgroupOf, locate, readCgroup } from './cgroups.ts';

const v1Mounts = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:12 - cgroup cgroup rw,cpu,cpuacct',
  '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
].join('\n');

test('the files of a container of cgroup v1 are found by its controllers, whatever hierarchy they share', () => {
  const own = '12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n';
  expect(locate(own, v1Mounts)).toEqual({
    version: 1,
    cpu: '/sys/fs/cgroup/cpu,cpuacct/docker/abc',
    memory: '/sys/fs/cgroup/memory/docker/abc',
  });
});

test('the files of a container of cgroup v2 lie in one directory', () => {
  const mounts = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';
  expect(locate('0::/system.slice/docker-abc.scope\n', mounts)).toEqual({
    version: 2,
    dir: '/sys/fs/cgroup/system.slice/docker-abc.scope',
  });
});

test('where only a part of the hierarchy is mounted, paths begin at that part', () => {
  const mounts = '30 23 0:26 /outer/box /sys/fs/cgroup rw - cgroup2 cgroup2 rw';
  expect(locate('0::/outer/box/docker/abc\n', mounts)).toEqual({ version: 2, dir: '/sys/fs/cgroup/docker/abc' });
  expect(locate('0::/elsewhere\n', mounts)).toBeUndefined();
});

test('a process of this machine has used processor time and memory', async () => {
  const files = await cgroupOf(process.pid);
  const usage = files && (await readCgroup(files));
  expect(usage?.cpuNanoseconds).toBeGreaterThan(0);
  expect(usage?.workingSetBytes).toBeGreaterThan(0);
});

test('a process and a cgroup that are gone have no usage, and are no error', async () => {
  expect(await cgroupOf(2 ** 22 + 1)).toBeUndefined();
  expect(await readCgroup({ version: 2, dir: '/sys/fs/cgroup/never-there' })).toBeUndefined();
});
