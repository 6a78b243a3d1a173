import { afterEach, describe, expect, it } from 'vitest';
import type { PodSpec } from '../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../test/support/hollow-agent.ts';
import { hollowVolumes } from './volumes/hollow-volumes.ts';

let node: HollowNode;
afterEach(() => node.kill());

function fresh(...args: ConstructorParameters<typeof HollowNode>): HollowNode {
  node = new HollowNode(...args);
  return node;
}

async function withRunningPod(spec = {}): Promise<void> {
  fresh().start();
  node.server.assign(makePod('web', spec));
  await node.until(() => node.status('default/web')?.phase === 'Running');
}

describe('a pod that the scheduler did not place', () => {
  const node4 = { labels: {}, taints: [], allocatable: {} };
  const asking = (name: string, cpu: string, more = {}) =>
    makePod(name, { containers: [container('app', { resources: { requests: { cpu } } })] }, more);
  const phaseOf = (name: string) => node.status(`default/${name}`)?.phase;

  it('fails at once when the node lacks what it asks for, and nothing of it is made', async () => {
    fresh({ images: 'all', cpus: 4 });
    node.server.ownNode = node4;
    node.start();
    await node.until(() => node.server.connected);
    node.server.assign(asking('big', '64'));
    await node.until(() => phaseOf('big') === 'Failed');
    expect(node.status('default/big')).toMatchObject({
      reason: 'OutOfcpu',
      message: expect.stringMatching(
        /^Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: 0, capacity: \d+$/,
      ),
    });
    expect(node.status('default/big')?.containerStatuses).toBeUndefined();
    await node.clock.advance(5_000);
    expect(node.engine.sandboxes.size).toBe(0);
    expect(node.server.events.filter(({ involvedObject }) => involvedObject.name === 'big')).toMatchObject([
      { type: 'Warning', reason: 'OutOfcpu' },
    ]);
    node.server.delete('default/big');
    await node.until(() => node.server.terminated.has('uid-big'));
  });

  it('is admitted in the order of age, beside those that have not ended, and stays admitted when the agent restarts', async () => {
    fresh({ images: 'all', cpus: 4 });
    node.server.ownNode = node4;
    const half = '2100m';
    node.server.assign(asking('young', half, { creationTimestamp: '2026-01-01T00:00:02Z' }));
    node.server.assign(asking('old', half, { creationTimestamp: '2026-01-01T00:00:01Z' }));
    node.start();
    await node.until(() => phaseOf('young') === 'Failed' && phaseOf('old') === 'Running');
    await node.clock.advance(1_000);
    node.kill();
    node.server.ownNode = { ...node4, taints: [{ key: 'x', effect: 'NoExecute' }] };
    node.start();
    await node.clock.advance(30_000);
    expect([phaseOf('young'), phaseOf('old'), node.running().length]).toEqual(['Failed', 'Running', 1]);
  });

  it('is refused for what the node never does, whatever is known of the node and the pod', async () => {
    fresh({ images: 'all' });
    node.start({ allowedUnsafeSysctls: ['net.core.*'] });
    await node.until(() => node.server.connected);
    const sysctl = (name: string): PodSpec => ({
      securityContext: { sysctls: [{ name, value: '1' }] },
      containers: [],
    });
    const andApp = (spec: Partial<PodSpec>) => ({ ...spec, containers: [container('app')] });
    node.server.assign(makePod('allowed', andApp(sysctl('net.core.somaxconn'))));
    node.server.assign(makePod('unsafe', andApp(sysctl('kernel.msgmax'))));
    // A status that a client has written does not make it one that was admitted.
    const windows = makePod('windows', andApp({ os: { name: 'windows' } }));
    node.server.assign({ ...windows, status: { phase: 'Running', startTime: '2026-01-01T00:00:00Z' } });
    await node.until(() => phaseOf('allowed') === 'Running');
    await node.until(() => phaseOf('unsafe') === 'Failed' && phaseOf('windows') === 'Failed');
    expect(node.status('default/unsafe')).toMatchObject({
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
    expect(node.status('default/windows')).toMatchObject({ reason: 'PodOSNotSupported' });
    expect(node.engine.sandboxes.size).toBe(1);
    expect(node.server.events.filter(({ involvedObject }) => involvedObject.name === 'unsafe')).toMatchObject([
      { type: 'Warning', reason: 'SysctlForbidden', message: 'forbidden sysctl: "kernel.msgmax" not allowlisted' },
    ]);
  });

  it('gets the room of a pod that has ended', async () => {
    fresh({ images: 'all', cpus: 4 });
    node.server.ownNode = node4;
    node.start();
    await node.until(() => node.server.connected);
    const all = '4';
    const ends = [container('app', { command: ['fake.exit=0'], resources: { requests: { cpu: all } } })];
    node.server.assign(makePod('short', { restartPolicy: 'Never', containers: ends }));
    await node.until(() => phaseOf('short') === 'Succeeded');
    node.server.assign(asking('next', all));
    await node.until(() => phaseOf('next') === 'Running');
  });

  it('that is critical ends others to make room, and starts when they have ended', async () => {
    fresh({ images: 'all', cpus: 4 });
    node.server.ownNode = node4;
    node.start();
    await node.until(() => node.server.connected);
    const all = '4';
    node.server.assign(asking('low', all));
    await node.until(() => phaseOf('low') === 'Running');
    const critical = asking('high', all);
    node.server.assign({ ...critical, spec: { ...critical.spec, priority: 2_000_000_000 } });
    await node.until(() => phaseOf('high') === 'Running');
    expect(node.status('default/low')).toMatchObject({
      ...{ phase: 'Failed', reason: 'Preempting', message: 'Preempted in order to admit critical pod' },
    });
    expect(node.running()).toHaveLength(1);
  });
});

describe('a pod on a node', () => {
  it('runs, has an address of the node’s range, and is ready', async () => {
    await withRunningPod({ containers: [container('app'), container('helper')] });
    await node.until(
      () => node.status('default/web')?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
    );
    expect(node.running()).toEqual(['app', 'helper']);
    expect(node.status('default/web')?.podIP).toMatch(/^10\.64\.3\.\d+$/);
    expect(node.server.events.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['Pulled', 'Created', 'Started']),
    );
  });

  it('starts within a hundred milliseconds when its image is there', async () => {
    fresh().start();
    await node.until(() => node.server.connected);
    await node.clock.advance(2_000);
    const begun = node.clock.monotonic();
    node.server.assign(makePod('web'));
    await node.until(() => node.status('default/web')?.phase === 'Running');
    expect(node.clock.monotonic() - begun).toBeLessThanOrEqual(100);
  });

  it('is stopped, removed and reported as terminated when it is deleted', async () => {
    await withRunningPod();
    node.server.delete('default/web');
    await node.until(() => node.server.terminated.has('uid-web'));
    expect(node.engine.sandboxes.size).toBe(0);
    expect(node.engine.containers.size).toBe(0);
    await node.clock.advance(1_000);
    expect([...node.checkpoint.keys()].filter((key) => key.startsWith('pods/'))).toEqual([]);
  });

  it('is killed and cleaned up when its object is gone', async () => {
    await withRunningPod();
    node.server.remove('default/web');
    await node.until(() => node.engine.sandboxes.size === 0, 5_000);
    expect(node.engine.containers.size).toBe(0);
  });

  it('has its containers killed when the grace period is over, counted from the deletion', async () => {
    await withRunningPod({ containers: [container('app', { command: ['fake.stubborn'] })] });
    const begun = node.clock.monotonic();
    node.server.delete('default/web', 10);
    await node.until(() => node.server.terminated.has('uid-web'));
    const took = node.clock.monotonic() - begun;
    expect(took).toBeGreaterThanOrEqual(10_000);
    expect(took).toBeLessThan(12_000);
  });

  it('restarts a container that fails: at once, then after 10 s, 20 s, 40 s and never later than 60 s', async () => {
    await withRunningPod({ containers: [container('app', { command: ['fake.exit=1', 'after=1s'] })] });
    const starts: number[] = [];
    let last = -1;
    await node.clock.advanceUntil(
      () => {
        const count = node.status('default/web')?.containerStatuses?.[0]?.restartCount ?? 0;
        const running = node.running().length === 1;
        if (running && count !== last) {
          last = count;
          starts.push(node.clock.monotonic());
        }
        return count >= 7;
      },
      600_000,
      100,
    );
    const gaps = starts.slice(1).map((at, i) => Math.round((at - (starts[i] ?? 0)) / 1000));
    expect(gaps.slice(0, 6)).toEqual([1, 11, 21, 41, 61, 61]);
  });

  it('shows CrashLoopBackOff with the last state while it waits', async () => {
    fresh().start();
    node.server.assign(makePod('web', { containers: [container('app', { command: ['fake.exit=3'] })] }));
    await node.until(
      () => node.status('default/web')?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
    );
    const status = node.status('default/web')?.containerStatuses?.[0];
    expect(status?.lastState?.terminated?.exitCode).toBe(3);
    expect(status?.restartCount).toBe(1);
    expect(node.status('default/web')?.phase).toBe('Running');
  });

  it('says of a container that cannot be started first why, then that it waits for the next try', async () => {
    fresh().start();
    node.server.assign(makePod('web', { containers: [container('app', { command: ['fake.nostart'] })] }));
    const waits = (reason: string, restarts: number) =>
      node.until(() => {
        const status = node.status('default/web')?.containerStatuses?.[0];
        return status?.state?.waiting?.reason === reason && status.restartCount === restarts;
      });
    await waits('RunContainerError', 1);
    await waits('CrashLoopBackOff', 1);
    expect(node.server.events.map(({ reason }) => reason)).toContain('BackOff');
  });

  it('succeeds when all its containers have, and never runs again', async () => {
    fresh().start();
    const spec: Partial<PodSpec> = {
      restartPolicy: 'OnFailure',
      containers: [container('app', { command: ['fake.exit=0', 'after=2s'] })],
    };
    node.server.assign(makePod('job', spec));
    await node.until(() => node.status('default/job')?.phase === 'Succeeded');
    node.kill();
    node.start();
    await node.clock.advance(120_000);
    expect(node.status('default/job')?.phase).toBe('Succeeded');
    expect(node.running()).toEqual([]);
  });

  it('ends within two seconds of its main container although a sidecar runs on', async () => {
    fresh().start();
    const spec: Partial<PodSpec> = {
      restartPolicy: 'Never',
      initContainers: [container('proxy', { restartPolicy: 'Always' })],
      containers: [container('main', { command: ['fake.exit=0', 'after=5s'] })],
    };
    node.server.assign(makePod('job', spec));
    await node.until(() => node.running().includes('main'));
    await node.until(() => !node.running().includes('main'));
    await node.until(() => node.status('default/job')?.phase === 'Succeeded', 2_000);
    expect(node.running()).toEqual([]);
  });

  it('runs init containers one after another before the app containers', async () => {
    fresh().start();
    const spec = {
      initContainers: [
        container('one', { command: ['fake.exit=0', 'after=1s'] }),
        container('two', { command: ['fake.exit=0', 'after=1s'] }),
      ],
    };
    node.server.assign(makePod('web', spec));
    await node.until(() => node.running().includes('one'));
    expect(node.status('default/web')?.phase ?? 'Pending').toBe('Pending');
    await node.until(() => node.running().length > 0 && !node.running().includes('one'));
    expect(node.running()).toEqual(['two']);
    await node.until(() => node.status('default/web')?.phase === 'Running');
    expect(node.running()).toEqual(['app']);
  });

  it('gets a new sandbox with all its containers when its sandbox dies', async () => {
    await withRunningPod();
    const [sandbox] = node.engine.sandboxes.values();
    node.engine.killSandbox(sandbox?.id ?? '');
    await node.until(() => node.status('default/web')?.containerStatuses?.[0]?.restartCount === 1);
    expect(node.running()).toEqual(['app']);
    expect([...node.engine.sandboxes.values()].map(({ spec }) => spec.attempt)).toEqual([1]);
    expect(node.server.events).toContainEqual(
      expect.objectContaining({
        reason: 'SandboxChanged',
        message: 'Pod sandbox changed, it will be killed and re-created.',
      }),
    );
  });

  it('fails when it runs longer than it may', async () => {
    await withRunningPod({ activeDeadlineSeconds: 20 });
    await node.until(() => node.status('default/web')?.phase === 'Failed', 30_000);
    expect(node.status('default/web')?.reason).toBe('DeadlineExceeded');
    expect(node.running()).toEqual([]);
  });

  it('shows why an image cannot be had, and starts when it can', async () => {
    let there = false;
    fresh({ inRegistry: () => there }).start();
    node.server.assign(makePod('web'));
    const waiting = () => node.status('default/web')?.containerStatuses?.[0]?.state?.waiting?.reason;
    await node.until(() => waiting() === 'ErrImagePull');
    await node.until(() => waiting() === 'ImagePullBackOff');
    there = true;
    await node.until(() => node.status('default/web')?.phase === 'Running');
  });

  it('waits for a ConfigMap it reads, and starts as soon as it is there', async () => {
    fresh().start();
    const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a' } } }];
    node.server.assign(makePod('web', { containers: [container('app', { env })] }));
    const waiting = () => node.status('default/web')?.containerStatuses?.[0]?.state?.waiting;
    await node.until(() => waiting()?.reason === 'CreateContainerConfigError');
    expect(waiting()?.message).toBe('configmap "settings" not found');
    const metadata = { name: 'settings', namespace: 'default', uid: 'c', resourceVersion: '1', creationTimestamp: '' };
    node.server.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: '1' } });
    await node.until(() => node.status('default/web')?.phase === 'Running', 1_000);
    expect([...node.engine.containers.values()][0]?.spec.env).toEqual([{ name: 'A', value: '1' }]);
  });
});

it('a resolver that does not fit into its file is cut, with an event, and follows the node’s', async () => {
  let servers = ['127.0.0.53', '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
  fresh().start({ hostDns: () => ({ servers, searches: [], options: [] }) });
  node.server.assign(makePod('web'));
  await node.until(() => node.status('default/web')?.phase === 'Running');
  const specs = () => [...node.engine.sandboxes.values()].map(({ spec }) => spec.dns);
  expect(specs()).toEqual([{ servers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'], searches: [], options: [] }]);
  expect(node.server.events.find(({ reason }) => reason === 'DNSConfigForming')?.message).toContain('192.0.2.3');
  servers = ['192.0.2.9'];
  node.server.assign(makePod('next'));
  await node.until(() => node.status('default/next')?.phase === 'Running');
  expect(specs()[1]?.servers).toEqual(['192.0.2.9']);
});

describe('a pod that takes more of the disk than it may', () => {
  const limits = { 'ephemeral-storage': '10Mi' };
  const message = 'Container app exceeded its local ephemeral storage limit "10Mi". ';

  it('is evicted within ten seconds: Failed, with the reason and an event', async () => {
    const app = container('app', { command: ['fake.disk=11Mi', 'fake.stop=1s'], resources: { limits } });
    const other = container('other', { resources: { limits } });
    await withRunningPod({ containers: [app, other], terminationGracePeriodSeconds: 60 });
    await node.until(() => node.status('default/web')?.phase === 'Failed', 10_000 + 2_000);
    expect(node.status('default/web')).toMatchObject({ reason: 'Evicted', message });
    expect(node.running()).toEqual([]);
    const told = node.server.events.filter(({ reason }) => reason === 'Evicted');
    expect(told.map(({ type, message }) => ({ type, message }))).toEqual([{ type: 'Warning', message }]);
    await node.clock.advance(60_000);
    expect(node.running()).toEqual([]);
  });

  it('is evicted for an emptyDir as well, and another that keeps within its limits stays', async () => {
    const usage = async (uid: string, names: readonly string[]) =>
      new Map(names.map((name) => [name, (uid === 'uid-web' ? 11 : 9) * 2 ** 20]));
    fresh().start({ volumes: { ...hollowVolumes, usage } });
    const volumes = [{ name: 'data', emptyDir: { sizeLimit: '10Mi' } }];
    for (const name of ['web', 'good']) node.server.assign(makePod(name, { volumes }));
    await node.until(() => node.status('default/web')?.phase === 'Failed', 12_000);
    expect(node.status('default/web')?.message).toBe('Usage of EmptyDir volume "data" exceeds the limit "10Mi". ');
    await node.clock.advance(30_000);
    expect(node.status('default/good')?.phase).toBe('Running');
  });

  it('stays evicted for an agent that restarts while its containers stop', async () => {
    const app = container('app', { command: ['fake.disk=11Mi', 'fake.stubborn'], resources: { limits } });
    await withRunningPod({ containers: [app], terminationGracePeriodSeconds: 60 });
    await node.until(() => node.status('default/web')?.reason === 'Evicted', 12_000);
    await node.clock.advance(500);
    node.kill();
    node.start();
    await node.until(() => node.status('default/web')?.phase === 'Failed', 10_000);
    expect(node.status('default/web')?.reason).toBe('Evicted');
  });
});

describe('probes', () => {
  const http = (port: number) => ({ httpGet: { port }, periodSeconds: 1, failureThreshold: 2 });

  it('make a pod ready when it answers, and unready when it stops to', async () => {
    await withRunningPod({ containers: [container('app', { readinessProbe: http(80) })] });
    const ready = () => node.status('default/web')?.containerStatuses?.[0]?.ready;
    expect(ready()).toBe(false);
    node.answers.set(80, 200);
    await node.until(() => ready() === true, 3_000);
    node.answers.set(80, 503);
    await node.until(() => ready() === false, 4_000);
    expect(
      node.server.events.some(
        ({ message }) => message === 'Readiness probe failed: HTTP probe failed with statuscode: 503',
      ),
    ).toBe(true);
  });

  it('of a readiness gate make a pod ready when its condition comes from elsewhere', async () => {
    const conditionType = 'example.org/serves';
    const spec = { containers: [container('app')], readinessGates: [{ conditionType }] };
    await withRunningPod(spec);
    const ready = () => node.status('default/web')?.conditions?.find(({ type }) => type === 'Ready')?.status;
    expect(ready()).toBe('False');
    const conditions = [{ type: conditionType, status: 'True' as const }];
    node.server.assign({ ...makePod('web', spec, { resourceVersion: '2' }), status: { conditions } });
    await node.until(() => ready() === 'True', 2_000);
  });

  it('restart a container that is not alive', async () => {
    fresh().answers.set(80, 200);
    node.start();
    node.server.assign(makePod('web', { containers: [container('app', { livenessProbe: http(80) })] }));
    await node.until(() => node.running().length === 1);
    await node.clock.advance(5_000);
    expect(node.status('default/web')?.containerStatuses?.[0]?.restartCount).toBe(0);
    node.answers.set(80, 500);
    await node.until(() => node.status('default/web')?.containerStatuses?.[0]?.restartCount === 1, 10_000);
    expect(node.server.events.map(({ message }) => message)).toContain(
      'Container app failed liveness probe, will be restarted',
    );
  });
});

describe('an agent that restarts', () => {
  it('restarts no container, and keeps restart counts, readiness and addresses', async () => {
    fresh().answers.set(80, 200);
    node.start();
    const probe = { httpGet: { port: 80 }, periodSeconds: 1 };
    const pod = makePod('web', { containers: [container('app', { readinessProbe: probe }), container('crashed')] });
    node.server.assign(pod);
    await node.until(() => node.running().length === 2);
    const crashed = [...node.engine.containers.values()].find(({ spec }) => spec.name === 'crashed');
    node.engine.exit(crashed?.id ?? '', 1);
    await node.until(
      () =>
        node.status('default/web')?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' &&
        node.status('default/web')?.containerStatuses?.[1]?.restartCount === 1,
    );
    const before = node.status('default/web');
    const ids = [...node.engine.containers.keys()].sort();
    node.kill();
    node.server.pods.set('default/web', { ...pod, status: before });
    const seen = node.server.reports.length;
    node.dialMs = 700;
    node.start();
    await node.until(() => node.server.registrations.length === 2);
    await node.clock.advance(60_000);
    expect([...node.engine.containers.keys()].sort()).toEqual(ids);
    expect(node.status('default/web')).toEqual(before);
    for (const { status } of node.server.reports.slice(seen)) {
      expect(status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
    }
  });

  it('goes on without a control plane: restarts containers, and after a power cut restores its pods', async () => {
    await withRunningPod();
    node.server.crash();
    const [app] = node.engine.containers.values();
    node.engine.exit(app?.id ?? '', 1);
    await node.until(() => node.running().length === 1, 2_000);
    await node.clock.advance(1_000);
    node.kill();
    node.engine.powerCut();
    node.start();
    await node.until(() => node.running().length === 1, 20_000);
    node.server.up = true;
    await node.until(() => node.server.connected, 5_000);
    await node.until(() => node.status('default/web')?.phase === 'Running');
  });

  it('removes the pods it should not have before it reports Ready', async () => {
    fresh({ images: 'all', stopMs: 3_000 }).start();
    node.server.assign(makePod('old'));
    node.server.assign(makePod('kept'));
    await node.until(() => node.running().length === 2);
    node.kill();
    node.server.pods.delete('default/old');
    node.server.nodeStatus = undefined;
    node.checkpoint.clear();
    node.start();
    const ready = () => node.server.nodeStatus?.conditions?.find(({ type }) => type === 'Ready')?.status;
    await node.until(() => {
      const left = [...node.engine.sandboxes.values()].some(({ spec }) => spec.pod.name === 'old');
      if (ready() === 'True') expect(left).toBe(false);
      return ready() === 'True';
    });
    expect(node.running()).toEqual(['app']);
  });
});

describe('an agent that was cut off', () => {
  const ready = (status = node.server.nodeStatus) => status?.conditions?.find(({ type }) => type === 'Ready')?.status;

  it('removes the pods that were given away before it reports Ready again', async () => {
    fresh({ images: 'all', stopMs: 3_000 }).start();
    node.server.assign(makePod('lost'));
    node.server.assign(makePod('kept'));
    await node.until(() => node.running().length === 2 && ready() === 'True');
    node.server.crash();
    await node.clock.advance(30_000);
    node.server.pods.delete('default/lost');
    node.server.nodeStatus = undefined;
    node.server.up = true;
    await node.until(() => node.server.connected, 3_000);
    expect(ready(node.server.registrations.at(-1)?.node.status)).toBe('False');
    await node.until(() => {
      const left = [...node.engine.sandboxes.values()].some(({ spec }) => spec.pod.name === 'lost');
      if (ready() === 'True') expect(left).toBe(false);
      return ready() === 'True';
    });
    expect(node.running()).toEqual(['app']);
  });

  it('does not flinch when it was away for less than the lease', async () => {
    await withRunningPod();
    await node.until(() => ready() === 'True');
    node.server.crash();
    await node.clock.advance(1_000);
    node.server.up = true;
    await node.until(() => node.server.connected, 3_000);
    expect(ready(node.server.registrations.at(-1)?.node.status)).toBe('True');
  });
});

describe('the session', () => {
  it('is built anew after a gap in the assignments', async () => {
    await withRunningPod();
    node.server.send([], 5);
    await node.until(() => node.server.registrations.length === 2, 2_000);
    expect(node.running()).toEqual(['app']);
  });

  it('is built anew when heartbeats are not acknowledged for the lease’s time', async () => {
    await withRunningPod();
    node.server.acknowledgeHeartbeats = false;
    await node.until(() => node.server.registrations.length >= 2, 8_000);
  });

  it('comes back within about a second of a control plane’s return', async () => {
    await withRunningPod();
    node.server.crash();
    await node.clock.advance(30_000);
    node.server.up = true;
    await node.until(() => node.server.connected, 2_100);
  });

  it('loses no status: what was not acknowledged is sent again', async () => {
    fresh().start();
    node.server.acknowledgeStatuses = false;
    node.server.assign(makePod('web'));
    await node.until(() => node.running().length === 1);
    node.server.crash();
    node.server.acknowledgeStatuses = true;
    await node.clock.advance(1_000);
    node.server.up = true;
    await node.until(() => node.status('default/web')?.phase === 'Running', 5_000);
  });

  it('streams a log through a tunnel', async () => {
    await withRunningPod({ containers: [container('app', { command: ['fake.log=hello', 'fake.log=there'] })] });
    const parameters = {
      namespace: 'default',
      pod: 'web',
      uid: 'uid-web',
      container: 'app',
      follow: false,
      previous: false,
      timestamps: false,
    };
    node.server.openLogs('t1', { ...parameters, tail: 1 });
    await node.until(() => node.server.tunnels.has('t1'));
    const text: string[] = [];
    for await (const frame of node.server.tunnels.get('t1')?.incoming ?? []) {
      text.push(Buffer.from(frame.data).toString());
      if (frame.end) break;
    }
    expect(text.join('')).toBe('there\n');
    node.server.openLogs('t2', { ...parameters, container: 'app', previous: true });
    await node.until(() => node.server.tunnels.has('t2'));
    for await (const frame of node.server.tunnels.get('t2')?.incoming ?? []) {
      expect(frame.channel).toBe(3);
      expect(JSON.parse(Buffer.from(frame.data).toString())).toMatchObject({ kind: 'Status', code: 400 });
      break;
    }
  });
});
