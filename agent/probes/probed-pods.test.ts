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
