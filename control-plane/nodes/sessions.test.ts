import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isApiError } from '../../shared/errors.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { HollowCluster } from '../../test/support/hollow-cluster.ts';
import { SessionScene } from '../../test/support/session-scene.ts';
import { objectKey } from '../store/keys.ts';

let scene: SessionScene;
let cluster: HollowCluster;

beforeEach(async () => {
  scene = await SessionScene.start();
  cluster = scene.cluster;
});

afterEach(() => scene.stop());

const leaseOf = (node: string) => objectKey(kindNamed('Lease'), 'kube-node-lease', node);
const hasLease = async (node: string) => (await cluster.store.get(leaseOf(node))).item !== undefined;

describe('a session', () => {
  it('sends the node the address of the API for its pods', async () => {
    const spec = { clusterIP: '10.68.0.1', ports: [{ name: 'https', port: 443 }] };
    const draft = { metadata: { name: 'kubernetes', namespace: 'default' }, spec };
    await cluster.settle(cluster.client.create('Service', draft as never));
    const agent = await scene.joined('a');
    expect(agent.of('registered')[0]?.kubernetes).toEqual({ host: '10.68.0.1', port: 443 });
  });

  it('makes the Node with a range of its own, and keeps its lease as long as it sends heartbeats', async () => {
    const [a, b] = [await scene.joined('a'), await scene.joined('b')];
    const ranges = [a, b].map((agent) => agent.of('registered')[0]?.podCIDR);
    expect(new Set(ranges).size).toBe(2);
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    expect(node.spec.podCIDR).toBe(ranges[0]);
    for (let sequence = 1; sequence <= 10; sequence++) {
      await a.heartbeat(sequence);
      await cluster.clock.advance(1_000);
    }
    expect(a.acknowledged).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await hasLease('a')).toBe(true);
    expect(await hasLease('b')).toBe(false);
  });

  it('creates the lease again when it is deleted, and keeps it when it is labelled', async () => {
    const agent = await scene.joined('a');
    await cluster.settle(cluster.client.delete('Lease', 'a', { namespace: 'kube-node-lease' }));
    await cluster.clock.advance(100);
    await agent.heartbeat(1);
    await cluster.clock.advance(100);
    expect(await hasLease('a')).toBe(true);
    const body = { metadata: { labels: { seen: 'yes' } } };
    await cluster.settle(cluster.client.patch('Lease', 'a', { type: 'merge', body }, { namespace: 'kube-node-lease' }));
    await cluster.clock.advance(6_000);
    expect(await hasLease('a')).toBe(false);
  });

  it('accepts heartbeats under the certificate of its node only, and only while that is valid', async () => {
    const [a] = [await scene.joined('a'), await scene.joined('b')];
    await a.heartbeat(1, 'b');
    await cluster.clock.advance(100);
    expect(isApiError(await a.heartbeatsServed, 'NotFound')).toBe(true);
    a.beating = undefined;
    await a.heartbeat(2, 'a', cluster.clock.now() + 1_500);
    await cluster.clock.advance(1_000);
    await a.heartbeat(3);
    await cluster.clock.advance(1_000);
    await a.heartbeat(4);
    await cluster.clock.advance(100);
    expect(a.acknowledged).toEqual([2, 3]);
    expect(isApiError(await a.heartbeatsServed, 'Unauthorized')).toBe(true);
  });

  it('ends after the lease’s duration without a heartbeat, and refuses its heartbeats from then on', async () => {
    const agent = await scene.joined('a');
    await agent.heartbeat(1);
    await cluster.clock.advance(4_900);
    expect(cluster.controlPlane.sessions.nodes()).toEqual(['a']);
    await cluster.clock.advance(200);
    expect(cluster.controlPlane.sessions.nodes()).toEqual([]);
    await agent.served;
    agent.beating = undefined;
    await agent.heartbeat(2);
    await cluster.clock.advance(100);
    expect(isApiError(await agent.heartbeatsServed, 'NotFound')).toBe(true);
    expect(agent.acknowledged).toEqual([1]);
  });

  it('is refused under any other identity than that node’s', async () => {
    for (const user of ['system:node:b', 'kubernetes-admin']) {
      const agent = scene.open('a', user);
      await cluster.clock.advance(100);
      expect(isApiError(await agent.served, 'Forbidden')).toBe(true);
    }
  });

  it('is refused to a node that opens one after the other, and to no other node', async () => {
    const errors: unknown[] = [];
    for (let i = 0; i < 30; i++) {
      const agent = scene.open('a');
      void agent.served.then((error) => errors.push(error));
    }
    await cluster.clock.advance(100);
    expect(errors.filter((error) => isApiError(error, 'TooManyRequests')).length).toBeGreaterThanOrEqual(9);
    await scene.joined('b');
    await cluster.clock.advance(5_000);
    await scene.joined('a');
  });

  it('takes the place of the one the node had before', async () => {
    const first = await scene.joined('a');
    await scene.joined('a');
    await cluster.clock.advance(100);
    await first.served;
    expect(cluster.controlPlane.sessions.nodes()).toEqual(['a']);
  });
});
