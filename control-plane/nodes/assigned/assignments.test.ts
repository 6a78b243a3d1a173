import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Pod } from '../../../shared/generated/types.ts';
import type { HollowCluster } from '../../../test/support/hollow-cluster.ts';
import { SessionScene } from '../../../test/support/session-scene.ts';

let scene: SessionScene;
let cluster: HollowCluster;

beforeEach(async () => {
  scene = await SessionScene.start();
  cluster = scene.cluster;
});

afterEach(() => scene.stop());

describe('assignments', () => {
  it('are the node’s own pods, the objects they reference and the other nodes; and follow changes', async () => {
    const [a] = [await scene.joined('a'), await scene.joined('b')];
    const env = [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'settings', key: 'k' } } }];
    await scene.createPod('theirs', 'b');
    await scene.createPod('mine', 'a', { containers: [{ name: 'main', image: 'x', env }] });
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()].sort()).toEqual(['OwnNode|/a', 'Pod|default/mine']);
    await cluster.settle(
      cluster.client.create('ConfigMap', { metadata: { name: 'settings', namespace: 'default' }, data: { k: '1' } }),
    );
    await cluster.settle(cluster.client.create('ConfigMap', { metadata: { name: 'other', namespace: 'default' } }));
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()].sort()).toEqual(['ConfigMap|default/settings', 'OwnNode|/a', 'Pod|default/mine']);
    await cluster.settle(cluster.client.delete('Pod', 'mine', { namespace: 'default', gracePeriodSeconds: 0 }));
    await cluster.clock.advance(200);
    expect([...a.assigned().keys()]).toEqual(['OwnNode|/a']);
  });

  it('come after the node itself, which is sent again when it changes', async () => {
    const agent = await scene.joined('a');
    const order = agent.received.map(({ type }) => type);
    expect(order.slice(0, 2)).toEqual(['registered', 'assignments']);
    expect(agent.of('assignments')[0]?.changes[0]).toMatchObject({ kind: 'OwnNode', name: 'a', removed: false });
    const taints = [{ key: 'k', effect: 'NoExecute' as const }];
    const body = { metadata: { labels: { disk: 'ssd' } }, spec: { taints } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }));
    await scene.createPod('mine', 'a', { tolerations: [{ operator: 'Exists' }] });
    await cluster.clock.advance(200);
    const changes = agent.of('assignments').flatMap((message) => message.changes);
    const own = changes.findLastIndex(({ kind }) => kind === 'OwnNode');
    expect(changes[own]?.object).toMatchObject({ labels: { disk: 'ssd' }, taints: expect.arrayContaining(taints) });
    expect(own).toBeLessThan(changes.findIndex(({ kind }) => kind === 'Pod'));
  });

  it('are not sent again for a change of status, which the node itself reported', async () => {
    const agent = await scene.joined('a');
    const pod = await scene.createPod('mine', 'a');
    await cluster.clock.advance(200);
    const before = agent.of('assignments').length;
    const status = { phase: 'Running' } as const;
    const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
    await agent.connection.send({ type: 'podStatus', sequence: 7, updates: [update] });
    await cluster.clock.advance(200);
    expect(agent.of('statusAck')).toEqual([{ type: 'statusAck', sequence: 7 }]);
    expect((await cluster.settle(cluster.client.get('Pod', 'mine', 'default'))).status?.phase).toBe('Running');
    expect(agent.of('assignments').length).toBe(before);
  });
});

describe('a readiness gate', () => {
  it('is sent to the node when a user changes it, and the node’s reports do not overwrite it', async () => {
    const agent = await scene.joined('a');
    const gate = 'example.org/serves';
    const pod = await scene.createPod('mine', 'a', { readinessGates: [{ conditionType: gate }] });
    const write = (status: 'True' | 'False') => {
      const body = { status: { conditions: [{ type: gate, status }] } };
      const options = { namespace: 'default', subresource: 'status' } as const;
      return cluster.settle(cluster.client.patch('Pod', 'mine', { type: 'strategic', body }, options));
    };
    const known = () => {
      const sent = agent.assigned().get('Pod|default/mine') as Pod | undefined;
      return sent?.status?.conditions?.find(({ type }) => type === gate)?.status;
    };
    await write('False');
    await cluster.clock.advance(200);
    expect(known()).toBe('False');
    await write('True');
    await cluster.clock.advance(200);
    expect(known()).toBe('True');
    const conditions = [
      { type: gate, status: 'False' },
      { type: 'Ready', status: 'False' },
      { type: 'PodResizeInProgress', status: 'True' },
    ] as const;
    const report = async (sequence: number, some: readonly object[]) => {
      const status = { phase: 'Running', conditions: some };
      const update = { namespace: 'default', name: 'mine', uid: pod.metadata.uid, status, terminated: false };
      await agent.connection.send({ type: 'podStatus', sequence, updates: [update as never] });
      await cluster.clock.advance(200);
      const { status: stored } = await cluster.settle(cluster.client.get('Pod', 'mine', 'default'));
      return stored?.conditions?.map((one) => `${one.type}=${one.status}`).sort();
    };
    expect(await report(1, conditions)).toEqual(['PodResizeInProgress=True', 'Ready=False', `${gate}=True`]);
    expect(await report(2, conditions.slice(0, 2))).toEqual(['Ready=False', `${gate}=True`]);
  });
});
