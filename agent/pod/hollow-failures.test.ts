import { afterEach, describe, expect, it } from 'vitest';
import type { Container, ContainerStatus, PodSpec } from '../../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';

let node: HollowNode;
afterEach(() => node.kill());

async function assign(app: Partial<Container>, spec: Partial<PodSpec> = {}): Promise<void> {
  node = new HollowNode({ images: ['example/app:1'] });
  node.start();
  await node.until(() => node.server.connected);
  node.server.assign(makePod('web', { containers: [container('app', app)], ...spec }));
}

const phase = () => node.status('default/web')?.phase;
const app = (): ContainerStatus | undefined => node.status('default/web')?.containerStatuses?.[0];
const ended = () => app()?.lastState?.terminated ?? app()?.state?.terminated;
const waiting = () => app()?.state?.waiting?.reason;

describe('a hollow pod', () => {
  it('whose container exits with a code is started again, or fails where it is never', async () => {
    await assign({ args: ['fake.exit=3', 'after=1s'] });
    await node.until(() => (app()?.restartCount ?? 0) > 0);
    expect(ended()).toMatchObject({ exitCode: 3, reason: 'Error' });
    node.kill();
    await assign({ args: ['fake.exit=3', 'after=1s'] }, { restartPolicy: 'Never' });
    await node.until(() => phase() === 'Failed');
    expect([app()?.restartCount, ended()?.exitCode]).toEqual([0, 3]);
    node.kill();
    await assign({ args: ['fake.exit=0'] }, { restartPolicy: 'OnFailure' });
    await node.until(() => phase() === 'Succeeded');
    expect(ended()).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });

  it('whose container is killed for its memory has the reason in its status', async () => {
    await assign({ args: ['fake.oom', 'after=1s'] });
    await node.until(() => (app()?.restartCount ?? 0) > 0);
    expect(ended()).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  it('whose container cannot be started waits longer with each try', async () => {
    await assign({ args: ['fake.nostart=no-such-file'] });
    await node.until(() => waiting() === 'CrashLoopBackOff');
    expect(ended()).toMatchObject({ exitCode: 128, reason: 'StartError', message: 'no-such-file' });
  });

  it('whose image is missing waits for it, and runs once it is there', async () => {
    await assign({ image: 'example/missing:1', imagePullPolicy: 'IfNotPresent' });
    await node.until(() => waiting() === 'ImagePullBackOff' || waiting() === 'ErrImagePull');
    expect(phase()).toBe('Pending');
    node.engine.addImage('example/missing:1');
    await node.until(() => phase() === 'Running', 120_000);
  });

  it('that loses its sandbox gets a new one, and its containers are started again', async () => {
    await assign({});
    await node.until(() => phase() === 'Running');
    const [before] = node.engine.sandboxes.keys();
    node.engine.killSandbox(before ?? '');
    await node.until(() => !node.engine.sandboxes.has(before ?? '') && node.running().length === 1);
    await node.until(() => app()?.restartCount === 1);
    expect([...node.engine.sandboxes.values()]).toMatchObject([{ running: true, spec: { attempt: 1 } }]);
  });

  it('that loses its sandbox and is never to be restarted ends as its containers do', async () => {
    await assign({ args: ['fake.term=143'] }, { restartPolicy: 'Never' });
    await node.until(() => phase() === 'Running');
    const [before] = node.engine.sandboxes.keys();
    node.engine.killSandbox(before ?? '');
    await node.until(() => phase() === 'Failed');
    expect(node.running()).toEqual([]);
    expect(ended()?.exitCode).toBe(143);
    expect([...node.engine.sandboxes.values()].filter(({ running }) => running)).toEqual([]);
  });

  it.each([
    ['fails', 'fake.exec=1'],
    ['does not end in its time', 'fake.hang'],
  ])('whose liveness command %s is started again, and is not ready by such a command', async (_, word) => {
    const exec = { command: ['check'] };
    await assign({ args: [word], livenessProbe: { exec, periodSeconds: 2, failureThreshold: 2 } });
    await node.until(() => (app()?.restartCount ?? 0) > 0);
    expect(node.server.events.map(({ reason }) => reason)).toContain('Unhealthy');
    node.kill();
    await assign({ args: [word], readinessProbe: { exec, periodSeconds: 2 } });
    await node.until(() => phase() === 'Running');
    await node.clock.advance(30_000);
    expect(app()).toMatchObject({ ready: false, restartCount: 0 });
  });

  it('that ends with a code of its own on its stop signal has failed, where nothing starts it again', async () => {
    await assign(
      { args: ['fake.term=7'], livenessProbe: { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 1 } },
      { restartPolicy: 'Never' },
    );
    await node.until(() => phase() === 'Failed');
    expect(ended()).toMatchObject({ exitCode: 7, reason: 'Error' });
  });
});
