import { afterEach, describe, expect, it } from 'vitest';
import type { ContainerStatus, PodSpec } from '../../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import { FakeRuntime } from '../runtime/fake/fake.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';

let node: HollowNode;
afterEach(() => node.kill());

const sidecar = (name: string, ...command: string[]) => container(name, { restartPolicy: 'Always', command });

/** Commands that were run in containers, and when. */
let commands: Array<{ at: number; command: string }>;

async function running(spec: Partial<PodSpec>): Promise<void> {
  node = new HollowNode();
  commands = [];
  const runtime = new FakeRuntime(node.engine);
  const exec = runtime.exec.bind(runtime);
  runtime.exec = (id, command, options) => {
    commands.push({ at: node.clock.monotonic(), command: command.join(' ') });
    return exec(id, command, options);
  };
  node.start({ runtime });
  await node.until(() => node.server.connected);
  node.server.assign(makePod('web', spec));
  const count = (spec.containers?.length ?? 1) + (spec.initContainers?.length ?? 0);
  await node.until(() => node.running().length === count);
  await node.clock.advance(1_000);
}

/** Milliseconds from now until the pod is gone from the node. */
async function untilGone(): Promise<number> {
  const begun = node.clock.monotonic();
  await node.until(() => node.server.terminated.has('uid-web'));
  return node.clock.monotonic() - begun;
}

/** The exit code of a container, by the last status that tells one. */
function exitCodeOf(name: string): number | undefined {
  const statuses = node.server.reports.flatMap(({ status }): ContainerStatus[] => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]);
  return statuses.findLast((status) => status.name === name && status.state?.terminated)?.state?.terminated?.exitCode;
}

describe('a container that is stopped', () => {
  it('has two seconds after its signal, whatever the grace period', async () => {
    await running({ containers: [container('app', { command: ['fake.stop=1500ms'] })] });
    node.server.delete('default/web', 1);
    await untilGone();
    expect(exitCodeOf('app')).toBe(0);
  });

  it('has them too after a preStop hook that took the whole grace', async () => {
    const preStop = { sleep: { seconds: 60 } };
    await running({ containers: [container('app', { command: ['fake.stop=1500ms'], lifecycle: { preStop } })] });
    node.server.delete('default/web', 3);
    expect(await untilGone()).toBeLessThan(6_000);
    expect(exitCodeOf('app')).toBe(0);
  });
});

describe('a sidecar', () => {
  it('gets its signal and two seconds when the main container has used the whole grace', async () => {
    const containers = [container('app', { command: ['fake.stubborn'] })];
    await running({ containers, initContainers: [sidecar('proxy', 'fake.stop=1s')] });
    node.server.delete('default/web', 5);
    const took = await untilGone();
    expect(exitCodeOf('app')).toBe(137);
    expect(exitCodeOf('proxy')).toBe(0);
    expect(took).toBeGreaterThanOrEqual(6_000);
    expect(took).toBeLessThan(8_000);
  });

  it('is stopped after the main containers and the sidecars behind it, as long as there is grace', async () => {
    const containers = [container('app', { command: ['fake.stop=2s'] })];
    await running({ containers, initContainers: [sidecar('first'), sidecar('second', 'fake.stop=1s')] });
    node.server.delete('default/web', 30);
    await untilGone();
    const order = node.server.events.flatMap(({ reason, message }) => (reason === 'Killing' ? [message] : []));
    expect(order).toEqual(['app', 'second', 'first'].map((name) => `Stopping container ${name}`));
  });

  it('shares one grace period with the others when the pod completes', async () => {
    await running({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 6,
      containers: [container('app', { command: ['fake.exit=0', 'after=3s'] })],
      initContainers: [
        sidecar('one', 'fake.stubborn'),
        sidecar('two', 'fake.stubborn'),
        sidecar('three', 'fake.stubborn'),
      ],
    });
    await node.until(() => exitCodeOf('app') === 0);
    const begun = node.clock.monotonic();
    await node.until(() => node.status('default/web')?.phase === 'Succeeded');
    expect(node.clock.monotonic() - begun).toBeLessThan(9_000);
  });

  it('runs its preStop hook at once and once, while the main container still ends', async () => {
    const lifecycle = { preStop: { exec: { command: ['drain'] } } };
    const proxy = { ...sidecar('proxy'), lifecycle };
    await running({ containers: [container('app', { command: ['fake.stop=4s'] })], initContainers: [proxy] });
    node.server.delete('default/web', 30);
    const begun = node.clock.monotonic();
    await untilGone();
    expect(commands.map(({ command }) => command)).toEqual(['drain']);
    expect((commands[0]?.at ?? 0) - begun).toBeLessThan(500);
  });
});

describe('the readiness of a pod under deletion', () => {
  const ready = () => node.status('default/web')?.conditions?.find(({ type }) => type === 'Ready')?.status;

  it('follows its probe to the end, and its liveness is of no interest any more', async () => {
    const probe = { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 1 };
    const app = container('app', { command: ['fake.stubborn'], readinessProbe: probe, livenessProbe: probe });
    await running({ containers: [app] });
    node.answers.set(80, 200);
    await node.until(() => ready() === 'True');
    const asked = () => node.server.events.filter(({ message }) => message?.includes('iveness')).length;
    const before = asked();
    node.server.delete('default/web', 20);
    await node.clock.advance(3_000);
    expect(ready()).toBe('True');
    node.answers.set(80, 503);
    await node.until(() => ready() === 'False', 3_000);
    node.answers.set(80, 200);
    await node.until(() => ready() === 'True', 3_000);
    expect(asked()).toBe(before);
    await untilGone();
    expect(ready()).toBe('False');
  });

  it('stays when there is no probe, until the container has ended', async () => {
    await running({ containers: [container('app', { command: ['fake.stop=5s'] })] });
    node.server.delete('default/web', 20);
    await node.clock.advance(3_000);
    expect(ready()).toBe('True');
    await untilGone();
    expect(ready()).toBe('False');
  });

  it('is known again to an agent that restarts meanwhile', async () => {
    const app = container('app', {
      command: ['fake.stubborn'],
      readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1, failureThreshold: 1 },
    });
    await running({ containers: [app] });
    node.answers.set(80, 200);
    await node.until(() => ready() === 'True');
    node.server.delete('default/web', 30);
    await node.clock.advance(1_000);
    node.kill();
    node.start();
    await node.clock.advance(2_000);
    expect(ready()).toBe('True');
    node.answers.set(80, 503);
    await node.until(() => ready() === 'False', 4_000);
  });
});

it('a pod that has ended gives its volumes back, and keeps its status', async () => {
  node = new HollowNode();
  const removed: string[] = [];
  node.start({ volumes: { ...hollowVolumes, remove: async (uid) => void removed.push(uid) } });
  await node.until(() => node.server.connected);
  const containers = [container('app', { command: ['fake.exit=0', 'after=1s'] })];
  node.server.assign(makePod('web', { restartPolicy: 'Never', containers }));
  await node.until(() => node.status('default/web')?.phase === 'Succeeded');
  await node.clock.advance(5_000);
  expect(removed).toEqual(['uid-web']);
  expect(node.status('default/web')?.phase).toBe('Succeeded');
});
