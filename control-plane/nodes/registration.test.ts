import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isApiError } from '../../shared/errors.ts';
import type { Node } from '../../shared/generated/types.ts';
import type { HollowCluster } from '../../test/support/hollow-cluster.ts';
import { SessionScene } from '../../test/support/session-scene.ts';

let scene: SessionScene;
let cluster: HollowCluster;

beforeEach(async () => {
  scene = await SessionScene.start();
  cluster = scene.cluster;
});

afterEach(() => scene.stop());

describe('a registration', () => {
  const refusals: Array<[string, Partial<Node>, RegExp]> = [
    ['of another name', { metadata: { name: 'b' } as never }, /node "a" is not allowed to modify node "b"/],
    ['without a name', { metadata: {} as never }, /is not allowed to modify node/],
    [
      'with labels of a role',
      { metadata: { name: 'a', labels: { 'node-role.kubernetes.io/control-plane': '' } } as never },
      /labels: node-role\.kubernetes\.io\/control-plane/,
    ],
    [
      'with labels that keep pods off nodes',
      { metadata: { name: 'a', labels: { 'x.node-restriction.kubernetes.io/trusted': 'yes' } } as never },
      /labels: x\.node-restriction\.kubernetes\.io\/trusted/,
    ],
    [
      'with owners',
      {
        metadata: {
          name: 'a',
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'none' }],
        } as never,
      },
      /node "a" is not allowed to modify ownerReferences/,
    ],
    [
      'with finalizers',
      { metadata: { name: 'a', finalizers: ['x.io/stay'] } as never },
      /not allowed to modify finalizers/,
    ],
    ['with a range of pod addresses', { spec: { podCIDR: '10.64.9.0/24' } }, /not (allowed to modify|change) podCIDR/],
    [
      'with ranges of pod addresses',
      { spec: { podCIDRs: ['10.64.9.0/24'] } },
      /not (allowed to modify|change) podCIDR/,
    ],
    ['with another uid', { metadata: { name: 'a', uid: 'another' } as never }, /Precondition failed: UID/],
  ];

  async function refused(node: Partial<Node>): Promise<string> {
    const agent = scene.open('a', undefined, node);
    await cluster.clock.advance(200);
    const error = await agent.served;
    expect(isApiError(error, 'Forbidden', 'Conflict', 'Invalid')).toBe(true);
    return (error as Error).message;
  }

  it.each(refusals)('%s is refused, and makes no Node', async (_, node, reason) => {
    expect(await refused(node)).toMatch(reason);
    expect((await cluster.settle(cluster.client.list('Node'))).items).toEqual([]);
  });

  it.each(refusals)(
    '%s is refused when there is a Node, and leaves it and all others as they are',
    async (_, node, reason) => {
      await scene.joined('b');
      (await scene.joined('a')).connection.close();
      await cluster.clock.advance(100);
      const before = (await cluster.settle(cluster.client.list('Node'))).items;
      expect(await refused(node)).toMatch(reason);
      const after = (await cluster.settle(cluster.client.list('Node'))).items;
      expect(after).toEqual(before);
    },
  );

  it('sets taints when it creates the Node; later ones are set by users', async () => {
    const taint = (key: string) => ({ key, effect: 'NoSchedule' as const });
    scene.open('a', undefined, { spec: { taints: [taint('own')] } });
    await cluster.until(async () => cluster.controlPlane.sessions.serves('a'), 'the session', 5);
    const keys = async () =>
      (await cluster.settle(cluster.client.get('Node', 'a'))).spec?.taints?.map(({ key }) => key);
    expect(await keys()).toContain('own');
    const body = { spec: { taints: [taint('human')] } };
    await cluster.settle(cluster.client.patch('Node', 'a', { type: 'merge', body }));
    await scene.joined('a');
    expect(await keys()).toContain('human');
    expect(await keys()).not.toContain('own');
  });

  it('is written as the node itself, and the range by the control plane', async () => {
    await scene.joined('a');
    const node = await cluster.settle(cluster.client.get('Node', 'a'));
    const ranged = node.metadata.managedFields?.find(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('f:podCIDR"'));
    expect(ranged?.manager).toBe('kube-controller-manager');
    expect(node.metadata.managedFields?.map(({ manager }) => manager)).toContain('kubelet');
  });

  it('keeps the range that its Node was made with, when that is free', async () => {
    const ranged = (name: string) => ({ metadata: { name }, spec: { podCIDR: '10.64.7.0/24' } });
    await cluster.settle(cluster.client.create('Node', ranged('a')));
    await cluster.settle(cluster.client.create('Node', ranged('b')));
    expect((await scene.joined('a')).of('registered')[0]?.podCIDR).toBe('10.64.7.0/24');
    const other = scene.open('b');
    await cluster.clock.advance(200);
    expect(((await other.served) as Error).message).toContain('10.64.7.0/24');
  });
});
