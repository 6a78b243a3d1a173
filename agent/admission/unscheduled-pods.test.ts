import { afterEach, describe, expect, it } from 'vitest';
import type { PodSpec } from '../../shared/generated/types.ts';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';

let node: HollowNode;
afterEach(() => node.kill());

function fresh(...args: ConstructorParameters<typeof HollowNode>): HollowNode {
  node = new HollowNode(...args);
  return node;
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
      phase: 'Failed',
      reason: 'Preempting',
      message: 'Preempted in order to admit critical pod',
    });
    expect(node.running()).toHaveLength(1);
  });
});
