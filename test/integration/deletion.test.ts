import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigMap } from '../../shared/generated/types.ts';
import { labels, running, template, WebCluster } from '../support/web-cluster.ts';

let cluster: WebCluster;

afterEach(() => cluster.stop());

async function start(): Promise<void> {
  cluster = await new WebCluster().start('a', 'b', 'c');
}

describe('deletion', () => {
  it('of an owner takes what it owns along, in the background', async () => {
    await start();
    await cluster.createDeployment(3);
    await cluster.untilRunning(3);
    await cluster.settle(cluster.client.delete('Deployment', 'web', { namespace: 'default' }));
    await cluster.until(async () => (await cluster.pods()).length === 0, 'no pods');
    expect((await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }))).items).toEqual([]);
  });

  it('in the foreground leaves the owner until the last of its pods is gone', async () => {
    await start();
    await cluster.createDeployment(3);
    await cluster.untilRunning(3);
    let orphaned = false;
    cluster.controlPlane.informers.onChange(() => {
      const { informers } = cluster.controlPlane;
      orphaned ||= informers.of('Deployment').size === 0 && informers.of('Pod').size > 0;
    });
    await cluster.settle(
      cluster.client.delete('Deployment', 'web', { namespace: 'default', propagationPolicy: 'Foreground' }),
    );
    await cluster.until(
      async () => (await cluster.client.list('Deployment', { namespace: 'default' })).items.length === 0,
      'gone',
    );
    expect(orphaned).toBe(false);
    expect(await cluster.settle(cluster.pods())).toEqual([]);
  });

  it('with orphaning leaves what was owned', async () => {
    await start();
    await cluster.createDeployment(3);
    const before = await cluster.untilRunning(3);
    await cluster.settle(
      cluster.client.delete('Deployment', 'web', { namespace: 'default', propagationPolicy: 'Orphan' }),
    );
    await cluster.until(
      async () => (await cluster.client.list('Deployment', { namespace: 'default' })).items.length === 0,
      'gone',
    );
    await cluster.clock.advance(5_000);
    expect((await cluster.settle(cluster.pods())).map(({ metadata }) => metadata.uid)).toEqual(
      before.map(({ metadata }) => metadata.uid),
    );
    const sets = await cluster.settle(cluster.client.list('ReplicaSet', { namespace: 'default' }));
    expect(sets.items.map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
  });

  it('in the foreground leaves what has another owner, and takes two that own each other', async () => {
    await start();
    const make = (name: string, owners: readonly ConfigMap[] = []) =>
      cluster.settle(
        cluster.client.create('ConfigMap', {
          metadata: { name, namespace: 'default', ownerReferences: owners.map(ref) },
        }),
      );
    const ref = ({ metadata: { name, uid } }: ConfigMap) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name,
      uid,
      blockOwnerDeletion: true,
    });
    const [one, other] = [await make('one'), await make('other')];
    await make('shared', [one, other]);
    const first = await make('first', [one]);
    await cluster.settle(
      cluster.client.patch(
        'ConfigMap',
        'one',
        { type: 'merge', body: { metadata: { ownerReferences: [ref(first)] } } },
        { namespace: 'default' },
      ),
    );
    await cluster.settle(
      cluster.client.delete('ConfigMap', 'one', { namespace: 'default', propagationPolicy: 'Foreground' }),
    );
    const left = async () => (await cluster.client.list('ConfigMap', { namespace: 'default' })).items;
    const names = async () => (await left()).map(({ metadata }) => metadata.name);
    await cluster.until(
      async () => !(await names()).some((name) => name === 'one' || name === 'first'),
      'both are gone',
    );
    const shared = (await cluster.settle(left())).find(({ metadata }) => metadata.name === 'shared');
    expect(shared?.metadata.ownerReferences).toEqual([ref(other)]);
  });

  it('of a namespace empties it, then lets it go', async () => {
    await start();
    await cluster.settle(cluster.client.create('Namespace', { metadata: { name: 'team' } }));
    await cluster.settle(
      cluster.client.create('ConfigMap', { metadata: { name: 'c', namespace: 'team' }, data: { a: '1' } }),
    );
    await cluster.settle(
      cluster.client.create('Deployment', {
        metadata: { name: 'web', namespace: 'team' },
        spec: { replicas: 2, selector: { matchLabels: labels }, template: template() } as never,
      }),
    );
    await cluster.until(async () => running(await cluster.pods('team')).length === 2, 'two pods');
    await cluster.settle(cluster.client.delete('Namespace', 'team'));
    await cluster.until(
      async () => !(await cluster.client.list('Namespace')).items.some(({ metadata }) => metadata.name === 'team'),
      'the namespace is gone',
    );
    expect(await cluster.settle(cluster.pods('team'))).toEqual([]);
  });
});
