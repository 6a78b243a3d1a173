import { afterEach, describe, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';

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
