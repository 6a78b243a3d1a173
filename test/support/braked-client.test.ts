import { expect, it } from 'vitest';
import type { ConfigMap } from '../../shared/generated/types.ts';
import { BrakedClient } from './braked-client.ts';
import { HollowCluster } from './hollow-cluster.ts';

const map = (name: string) => ({ metadata: { name, namespace: 'default' } });

it('a braked client holds and ends its watches, lists less, and fails single writes, done or not', async () => {
  const cluster = await new HollowCluster().start();
  const client = new BrakedClient(cluster.client);
  const stop = new AbortController();
  const seen: string[] = [];
  const names = (items: readonly ConfigMap[]) => items.map(({ metadata }) => metadata.name);
  await client.create('ConfigMap', map('a'));
  await client.create('ConfigMap', map('b'));
  client.listed = ({ metadata }) => metadata.name !== 'a';
  const watching = (async () => {
    for await (const { events } of client.watch(['ConfigMap'], stop.signal)) {
      for (const { type, object } of events) seen.push(`${type} ${object.metadata.name}`);
    }
  })();
  await cluster.clock.advance(10);
  expect([seen, names((await client.list('ConfigMap', { namespace: 'default' })).items)]).toEqual([['ADDED b'], ['b']]);

  const release = client.watches.hold();
  client.writes.fail({ match: ({ verb, name }) => verb === 'create' && name === 'c', applied: true });
  client.writes.fail({ match: ({ verb }) => verb === 'create' });
  await expect(client.create('ConfigMap', map('c'))).rejects.toMatchObject({ reason: 'Timeout' });
  await expect(client.create('ConfigMap', map('d'))).rejects.toMatchObject({ reason: 'Timeout' });
  await cluster.clock.advance(10);
  expect(seen).toEqual(['ADDED b']);
  release();
  await cluster.clock.advance(10);
  expect(seen).toEqual(['ADDED b', 'ADDED c']);
  client.watches.overrun();
  await expect(watching).rejects.toMatchObject({ reason: 'Expired' });
  await cluster.stop();
});
