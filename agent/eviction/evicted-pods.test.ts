import { afterEach, describe, expect, it } from 'vitest';
import { container, HollowNode, makePod } from '../../test/support/hollow-agent.ts';
import { hollowVolumes } from '../volumes/hollow-volumes.ts';

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
