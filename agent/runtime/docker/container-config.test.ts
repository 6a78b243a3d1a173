import { expect, test } from 'vitest';
import { plainContainer, plainSandbox } from '../../../test/support/runtime-specs.ts';
import type { ContainerSpec, SandboxSpec } from '../runtime.ts';
import { containerConfig, type EngineOptions, sandboxConfig } from './container-config.ts';
import { identityOf } from './labels.ts';

const pod = { namespace: 'default', name: 'web', uid: 'uid-1' };
const options: EngineOptions = { scope: 'test', logMaxSize: '10m', logMaxFiles: 3, minOomScoreAdj: -1000 };
const files = { '/etc/hosts': '/s/hosts', '/etc/hostname': '/s/hostname', '/etc/resolv.conf': undefined };

const sandbox: SandboxSpec = {
  ...plainSandbox,
  pod,
  hostname: 'web',
  address: '10.1.0.2',
  sysctls: { 'net.core.somaxconn': '1', 'net/ipv4/tcp_syncookies': '1', 'kernel.shm_rmid_forced': '1' },
  attempt: 2,
};

const container: ContainerSpec = {
  ...plainContainer,
  pod,
  attempt: 1,
  image: 'web:1',
  labels: { a: 'b' },
};

function config(
  more: Partial<ContainerSpec> = {},
  its: Partial<SandboxSpec> = {},
  engine: Partial<EngineOptions> = {},
) {
  return containerConfig('sb', { ...sandbox, ...its }, { ...container, ...more }, files, { ...options, ...engine });
}

test('labels alone bring back what a sandbox and a container are', () => {
  const labels = sandboxConfig(sandbox, 'image', options).Labels ?? {};
  expect(identityOf('test', labels)).toEqual({ role: 'sandbox', spec: sandbox });
  expect(identityOf('test', config().Labels ?? {})).toEqual({
    role: 'container',
    pod,
    name: 'app',
    attempt: 1,
    sandboxId: 'sb',
    image: 'web:1',
    labels: { a: 'b' },
  });
  expect(identityOf('other', labels)).toBeUndefined();
  expect(identityOf('test', { ...labels, 'coracle.sandbox.spec': '{' })).toBeUndefined();
});

test('names tell pods, containers and attempts apart', () => {
  const names = [
    sandboxConfig(sandbox, 'image', options).name,
    sandboxConfig({ ...sandbox, attempt: 3 }, 'image', options).name,
    config().name,
    config({ attempt: 2 }).name,
    config({ name: 'other' }).name,
    config({ pod: { ...pod, uid: 'uid-2' } }).name,
  ];
  expect(new Set(names).size).toBe(names.length);
});

test('the engine gets the sysctls that are not the network’s', () => {
  expect(sandboxConfig(sandbox, 'image', options).HostConfig?.Sysctls).toEqual({ 'kernel.shm_rmid_forced': '1' });
});

test('a limit is a quota of the period, and no swap; what is too small for the engine is its least', () => {
  const limits = (resources: ContainerSpec['resources']) => config({ resources }).HostConfig;
  expect(limits({ cpuLimitMillis: 1500, memoryLimitBytes: 2 ** 30 })).toMatchObject({
    CpuPeriod: 100_000,
    CpuQuota: 150_000,
    Memory: 2 ** 30,
    MemorySwap: 2 ** 30,
  });
  expect(limits({ cpuLimitMillis: 1, memoryLimitBytes: 4096, cpuShares: 0 })).toMatchObject({
    CpuQuota: 1_000,
    Memory: 6 * 2 ** 20,
  });
  const none = limits({});
  expect([none?.CpuQuota, none?.Memory, none?.CpuShares, none?.OomScoreAdj]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('a score below what the machine may give is raised to it', () => {
  const score = (oomScoreAdj: number) =>
    config({ resources: { oomScoreAdj } }, {}, { minOomScoreAdj: 0 }).HostConfig?.OomScoreAdj;
  expect([score(-997), score(500)]).toEqual([0, 500]);
});

test('containers join what the pod shares, or the node where it asks for that', () => {
  expect(config().HostConfig).toMatchObject({ NetworkMode: 'container:sb', IpcMode: 'container:sb' });
  expect(config().HostConfig?.PidMode).toBeUndefined();
  expect(config({}, { shareProcessNamespace: true }).HostConfig?.PidMode).toBe('container:sb');
  expect(config({}, { hostNetwork: true, hostPID: true, hostIPC: true }).HostConfig).toMatchObject({
    NetworkMode: 'host',
    IpcMode: 'host',
    PidMode: 'host',
  });
});

test('command and arguments stand for entrypoint and command, each by itself', () => {
  const both = ({ Entrypoint, Cmd }: ReturnType<typeof config>) => [Entrypoint, Cmd];
  expect(both(config())).toEqual([undefined, undefined]);
  expect(both(config({ command: ['a'] }))).toEqual([['a'], undefined]);
  expect(both(config({ args: ['b'] }))).toEqual([undefined, ['b']]);
});

test('the pod’s files are mounted, unless the container brings its own', () => {
  const targets = (more: Partial<ContainerSpec>) =>
    config(more).HostConfig?.Mounts?.map(({ Source, Target, ReadOnly }) => `${Source} ${Target} ${ReadOnly}`);
  expect(targets({})).toEqual(['/s/hosts /etc/hosts false', '/s/hostname /etc/hostname false']);
  expect(
    targets({ mounts: [{ source: '/own', target: '/etc/hosts', readOnly: true }], readOnlyRootFilesystem: true }),
  ).toEqual(['/s/hostname /etc/hostname true', '/own /etc/hosts true']);
});
