import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgent } from '../../agent/agent.ts';
import { fileCheckpoint } from '../../agent/checkpoint/checkpoint-files.ts';
import { seccompProfiles } from '../../agent/host/seccomp-profiles.ts';
import { RoutedNetwork } from '../../agent/network/routed.ts';
import { systemDialers } from '../../agent/probes/system-dialers.ts';
import { DockerRuntime } from '../../agent/runtime/docker/docker.ts';
import { lowestOomScore } from '../../agent/runtime/docker/index.ts';
import { fileVolumes } from '../../agent/volumes/file-volumes.ts';
import { localVolumes } from '../../agent/volumes/local-volumes.ts';
import { systemMounter } from '../../agent/volumes/mounter.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Container, PodSpec, SeccompProfile } from '../../shared/generated/types.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { buildTestImages, dockerMissing, startTestDocker, type TestDocker, testImage } from '../support/docker.ts';
import { eventually } from '../support/eventually.ts';
import { makePod } from '../support/hollow-agent.ts';
import { makeNetns, type TestNetns } from '../support/netns.ts';
import { ScriptedControlPlane } from '../support/node-session.ts';

const missing = await dockerMissing();

describe.skipIf(missing)('an agent on Docker', () => {
  let netns: TestNetns;
  let docker: TestDocker;
  let engine: Docker;
  let dir: string;
  const server = new ScriptedControlPlane();
  server.podCIDR = '10.93.0.0/24';
  let stop = new AbortController();
  let running: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    netns = await makeNetns();
    await netns.run('ip', 'address', 'replace', '192.168.78.1/32', 'dev', 'lo');
    docker = await startTestDocker({ netns: netns.path });
    await buildTestImages(docker.socket);
    engine = new Docker({ socketPath: docker.socket });
    dir = join(docker.directory, 'agent');
    await mkdir(dir);
    await start();
  });
  afterAll(async () => {
    stop.abort();
    await running;
    for (const point of await systemMounter.below(dir)) await systemMounter.unmount(point);
    await docker.stop();
    await netns.remove();
  });

  /** A new process of the agent, as far as it can be one here. */
  async function start(): Promise<void> {
    stop.abort();
    server.cut();
    await running;
    stop = new AbortController();
    const network = new RoutedNetwork({ log: silentLog }, { netns: netns.path });
    const runtime = new DockerRuntime(
      { clock: systemClock, network },
      { socketPath: docker.socket, stateDir: join(dir, 'runtime'), minOomScoreAdj: await lowestOomScore() },
    );
    const agent = createAgent({
      transport: server.transport,
      runtime,
      network,
      volumes: fileVolumes({
        dir: join(dir, 'pods'),
        mounter: systemMounter,
        localRoot: join(dir, 'local-volumes'),
        dnsOf: () => ({ servers: [], searches: [], options: [] }),
      }),
      localVolumes: localVolumes(join(dir, 'local-volumes'), systemMounter),
      checkpoint: fileCheckpoint(join(dir, 'checkpoint'), silentLog),
      dialers: systemDialers({ clock: systemClock }),
      seccompProfile: seccompProfiles(join(dir, 'seccomp')),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      node: {
        name: 'node-1',
        address: '192.168.78.1',
        labels: {},
        taints: [],
        version: 'v1.32.0-test',
        machineId: '',
        bootId: '',
        maxPods: 110,
        reserved: { cpuMillis: 0, memoryBytes: 0 },
      },
    });
    running = agent.run(stop.signal).finally(() => runtime.close());
  }

  function shell(name: string, script: string, more: Partial<Container> = {}): Container {
    return { name, image: testImage, command: ['/bin/sh', '-c', script], imagePullPolicy: 'IfNotPresent', ...more };
  }

  const status = (name: string) => server.statuses.get(`default/${name}`);
  const isReady = (name: string): boolean =>
    status(name)?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

  async function ids(): Promise<string[]> {
    return (await engine.listContainers({ all: true })).map(({ Id }) => Id).sort();
  }

  async function output(container: string): Promise<string> {
    const [found] = await engine.listContainers({ all: true, filters: { name: [container] } });
    const bytes = await engine.getContainer(found?.Id ?? '').logs({ stdout: true, stderr: true, follow: false });
    return bytes.toString();
  }

  const forever = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';

  it('runs a pod whose containers share a volume, read a ConfigMap, and have their identity', async () => {
    const metadata = { name: 'settings', namespace: 'default', uid: 'c', resourceVersion: '1', creationTimestamp: '' };
    server.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { greeting: 'hello' } });
    const spec: PodSpec = {
      terminationGracePeriodSeconds: 5,
      volumes: [
        { name: 'shared', emptyDir: {} },
        { name: 'conf', configMap: { name: 'settings' } },
      ],
      initContainers: [
        shell('prepare', 'echo prepared > /shared/init', { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }),
      ],
      containers: [
        shell('writer', `cat /conf/greeting > /shared/file; echo "$IP $GREETING" > /shared/who; ${forever}`, {
          env: [
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'GREETING', valueFrom: { configMapKeyRef: { name: 'settings', key: 'greeting' } } },
          ],
          volumeMounts: [
            { name: 'shared', mountPath: '/shared' },
            { name: 'conf', mountPath: '/conf' },
          ],
          resources: { requests: { cpu: '100m', memory: '16Mi' }, limits: { cpu: '500m', memory: '64Mi' } },
        }),
        shell('reader', forever, {
          readinessProbe: {
            exec: { command: ['/bin/sh', '-c', 'test -s /shared/who && test -s /shared/file'] },
            periodSeconds: 1,
          },
          volumeMounts: [{ name: 'shared', mountPath: '/shared', readOnly: true }],
        }),
      ],
    };
    server.assign(makePod('web', spec, { uid: 'web-1' }));
    await eventually(() => isReady('web'), { timeoutMs: 30_000 });
    expect(status('web')?.podIP).toMatch(/^10\.93\.0\.\d+$/);
    expect(status('web')?.initContainerStatuses?.[0]?.state?.terminated?.reason).toBe('Completed');
    expect(status('web')?.qosClass).toBe('Burstable');
    server.assign(
      makePod('look', {
        restartPolicy: 'Never',
        volumes: [{ name: 'host', hostPath: { path: join(dir, 'pods', 'web-1', 'volumes', 'shared') } }],
        containers: [
          shell('look', 'cat /host/init /host/file /host/who; cat /etc/hosts', {
            volumeMounts: [{ name: 'host', mountPath: '/host' }],
          }),
        ],
      }),
    );
    await eventually(() => status('look')?.phase === 'Succeeded', { timeoutMs: 20_000 });
    const said = await output('look');
    expect(said).toContain('prepared');
    expect(said).toContain(`${status('web')?.podIP} hello`);
    expect(said).toMatch(/10\.93\.0\.\d+\tlook/);
  });

  it('restarts no container when the agent restarts, and reports the same state', async () => {
    const before = { ids: await ids(), status: status('web') };
    await start();
    const registrations = server.registrations.length;
    await eventually(() => server.registrations.length > registrations, { timeoutMs: 10_000 });
    await eventually(() =>
      server.nodeStatus?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
    await eventually(() => server.heartbeats > 3);
    expect(await ids()).toEqual(before.ids);
    expect(status('web')).toEqual(before.status);
  });

  it('keeps a container’s termination message, and restarts it', async () => {
    server.assign(makePod('fails', { containers: [shell('app', 'echo it broke > /dev/termination-log; exit 7')] }));
    const last = () => status('fails')?.containerStatuses?.[0]?.lastState?.terminated;
    await eventually(() => last() !== undefined, { timeoutMs: 20_000 });
    expect(last()).toMatchObject({ exitCode: 7, reason: 'Error', message: 'it broke\n' });
  });

  it('sees a container that was killed behind its back, and starts it again', async () => {
    const [writer] = await engine.listContainers({ filters: { name: ['writer'] } });
    await engine.getContainer(writer?.Id ?? '').kill({ signal: 'SIGKILL' });
    await eventually(() => status('web')?.containerStatuses?.[0]?.restartCount === 1, { timeoutMs: 15_000 });
    expect(status('web')?.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(137);
    await eventually(() => isReady('web'), { timeoutMs: 15_000 });
  });

  it('gives a container more as it runs, remembers that, and restarts one that wants it so', async () => {
    let version = 1;
    const sized = (memory: string, more: Partial<Container> = {}) => {
      const app = shell('app', forever, { resources: { limits: { memory } }, ...more });
      return makePod('sized', { containers: [app] }, { resourceVersion: String(version++) });
    };
    server.assign(sized('64Mi'));
    await eventually(() => isReady('sized'), { timeoutMs: 20_000 });
    const shown = () => status('sized')?.containerStatuses?.[0];
    expect(shown()?.resources).toEqual({ limits: { memory: '64Mi' } });
    const made = shown()?.containerID;
    const limitOf = async () => {
      const [, id = ''] = shown()?.containerID?.split('://') ?? [];
      return (await engine.getContainer(id).inspect()).HostConfig.Memory;
    };
    server.assign(sized('96Mi'));
    await eventually(() => shown()?.resources?.limits?.memory === '96Mi');
    expect([shown()?.containerID, shown()?.restartCount, await limitOf()]).toEqual([made, 0, 96 * 2 ** 20]);
    await start();
    server.assign(sized('64Mi'));
    // It may have died before it had written down what it did.
    await eventually(async () => (await limitOf()) === 64 * 2 ** 20, { timeoutMs: 20_000 });
    expect([shown()?.containerID, shown()?.restartCount]).toEqual([made, 0]);
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' as const }];
    server.assign(sized('32Mi', { resizePolicy }));
    await eventually(() => shown()?.restartCount === 1 && isReady('sized'), { timeoutMs: 20_000 });
    expect([shown()?.resources, await limitOf()]).toEqual([{ limits: { memory: '32Mi' } }, 32 * 2 ** 20]);
  });

  it('confines containers as they ask for it, and starts none whose profile the node does not have', async () => {
    const filter = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }] };
    await mkdir(join(dir, 'seccomp'), { recursive: true });
    await writeFile(join(dir, 'seccomp', 'no-mkdir.json'), JSON.stringify(filter));
    const script = 'exec 2>&1; grep ^Seccomp: /proc/self/status; mkdir /tmp/made && echo made';
    const as = (name: string, seccompProfile: SeccompProfile) =>
      shell(name, script, { securityContext: { seccompProfile } });
    const containers = [
      as('off', { type: 'Unconfined' }),
      as('standard', { type: 'RuntimeDefault' }),
      as('local', { type: 'Localhost', localhostProfile: 'no-mkdir.json' }),
    ];
    server.assign(makePod('confined', { restartPolicy: 'Never', containers }));
    await eventually(() => status('confined')?.phase === 'Failed', { timeoutMs: 20_000 });
    const said = async (name: string) => (await output(`coracle_${name}_`)).replace(/[^\x20-\x7e\n]/g, '');
    expect(await said('off')).toMatch(/Seccomp:\s*0.*made/s);
    expect(await said('standard')).toMatch(/Seccomp:\s*2.*made/s);
    expect(await said('local')).toMatch(/Seccomp:\s*2.*Operation not permitted/s);
    const missing = as('app', { type: 'Localhost', localhostProfile: 'none.json' });
    server.assign(makePod('missing', { containers: [missing] }));
    const waiting = () => status('missing')?.containerStatuses?.[0]?.state?.waiting;
    await eventually(() => waiting()?.reason === 'CreateContainerConfigError', { timeoutMs: 20_000 });
    expect(waiting()?.message).toContain('cannot load seccomp profile');
    const armor = { securityContext: { appArmorProfile: { type: 'RuntimeDefault' as const } } };
    server.assign(makePod('armored', { ...armor, containers: [shell('armored', forever)] }));
    await eventually(() => status('armored') !== undefined, { timeoutMs: 20_000 });
    const { SecurityOptions } = (await engine.info()) as { SecurityOptions: string[] };
    if (!SecurityOptions.includes('name=apparmor')) {
      await eventually(() => status('armored')?.reason === 'AppArmor', { timeoutMs: 20_000 });
    }
    for (const name of ['confined', 'missing', 'armored']) server.delete(`default/${name}`, 0);
    await eventually(() => server.terminated.size === 3, { timeoutMs: 30_000 });
    server.terminated.clear();
  });

  it('refuses to run an image as root that must not be, and keeps its user and groups when only a group is given', async () => {
    const refused = shell('app', forever, { securityContext: { runAsNonRoot: true } });
    server.assign(makePod('nonroot', { containers: [refused] }));
    const waiting = () => status('nonroot')?.containerStatuses?.[0]?.state?.waiting;
    await eventually(() => waiting()?.reason === 'CreateContainerConfigError', { timeoutMs: 20_000 });
    expect(waiting()?.message).toContain('container has runAsNonRoot and image will run as root');
    const grouped = {
      restartPolicy: 'Never' as const,
      securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 5000 },
      containers: [shell('grouped', 'id -u; id -g; id -G')],
    };
    server.assign(makePod('grouped', grouped));
    await eventually(() => status('grouped')?.phase === 'Succeeded', { timeoutMs: 20_000 });
    const [uid, gid, groups = ''] = (await output('grouped'))
      .replace(/[^\d\n ]/g, '')
      .trim()
      .split('\n');
    expect([uid, gid]).toEqual(['1000', '3000']);
    expect(groups.trim().split(' ').sort()).toEqual(['3000', '4000', '5000']);
    for (const name of ['nonroot', 'grouped']) server.delete(`default/${name}`, 0);
    await eventually(() => server.terminated.size === 2, { timeoutMs: 30_000 });
    server.terminated.clear();
  });

  it('gives each container its stop signal and two seconds, sidecars after all the others', async () => {
    const say = (name: string): string =>
      `trap "sleep 1; echo ${name} >> /shared/ends; exit 0" TERM; while true; do sleep 1 & wait $!; done`;
    const shared = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };
    server.assign(
      makePod('ending', {
        volumes: [{ name: 'shared', hostPath: { path: join(dir, 'shared'), type: 'DirectoryOrCreate' } }],
        initContainers: [shell('proxy', say('proxy'), { ...shared, restartPolicy: 'Always' })],
        containers: [shell('app', 'trap "" TERM; while true; do sleep 1; done'), shell('other', say('other'), shared)],
      }),
    );
    await eventually(() => isReady('ending'), { timeoutMs: 20_000 });
    server.delete('default/ending', 3);
    await eventually(() => server.terminated.has('uid-ending'), { timeoutMs: 20_000 });
    expect(await readFile(join(dir, 'shared/ends'), 'utf8')).toBe('other\nproxy\n');
  });

  it('evicts pods that take more of the disk than they may, and gives the room back', async () => {
    const fill = (path: string): string => `dd if=/dev/zero of=${path} bs=1M count=20 2>/dev/null; ${forever}`;
    const limits = { 'ephemeral-storage': '10Mi' };
    const volumes = [{ name: 'data', emptyDir: { sizeLimit: '10Mi' } }];
    const volumeMounts = [{ name: 'data', mountPath: '/data' }];
    server.assign(makePod('volume', { volumes, containers: [shell('app', fill('/data/file'), { volumeMounts })] }));
    const resources = { limits };
    const log =
      'i=0; while [ $i -lt 12 ]; do i=$((i + 1)); dd if=/dev/zero bs=1M count=1 2>/dev/null | tr "\\0" x; echo; done';
    server.assign(
      makePod('layer', {
        containers: [
          shell('app', fill('/file'), { resources }),
          shell('b', forever, { resources: { limits: { 'ephemeral-storage': '1Gi' } } }),
        ],
      }),
    );
    server.assign(makePod('log', { containers: [shell('app', `${log}; ${forever}`, { resources })] }));
    server.assign(
      makePod('modest', {
        volumes,
        containers: [
          shell('app', `dd if=/dev/zero of=/data/file bs=1M count=9 2>/dev/null; ${forever}`, {
            volumeMounts,
            resources,
          }),
        ],
      }),
    );
    await eventually(() => ['volume', 'layer', 'log'].every((name) => status(name)?.phase === 'Failed'), {
      timeoutMs: 40_000,
    });
    expect(['volume', 'layer', 'log'].map((name) => [status(name)?.reason, status(name)?.message])).toEqual([
      ['Evicted', 'Usage of EmptyDir volume "data" exceeds the limit "10Mi". '],
      ['Evicted', 'Container app exceeded its local ephemeral storage limit "10Mi". '],
      ['Evicted', 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. '],
    ]);
    await eventually(async () => !(await readdir(join(dir, 'pods'))).includes('uid-volume'));
    expect(status('modest')?.phase).toBe('Running');
    for (const name of ['volume', 'layer', 'log', 'modest']) server.delete(`default/${name}`, 1);
    await eventually(() => ['volume', 'layer', 'log', 'modest'].every((name) => server.terminated.has(`uid-${name}`)), {
      timeoutMs: 20_000,
    });
  });

  it('leaves nothing of pods that are deleted', async () => {
    const before = server.terminated.size;
    for (const name of ['web', 'look', 'fails', 'sized']) server.delete(`default/${name}`, 5);
    await eventually(() => server.terminated.size === before + 4, { timeoutMs: 30_000 });
    expect(await ids()).toEqual([]);
    expect(await readdir(join(dir, 'pods'))).toEqual([]);
    expect(await systemMounter.below(join(dir, 'pods'))).toEqual([]);
    await eventually(async () => (await readdir(join(dir, 'checkpoint', 'pods'))).length === 0);
  });
});
