import { afterEach, describe, expect, it } from 'vitest';
import type { PodSpec } from '../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../test/support/hollow-agent.ts';

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
