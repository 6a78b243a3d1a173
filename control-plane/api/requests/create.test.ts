import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { Random } from '../../../shared/random.ts';
import { systemRandom } from '../../../shared/random.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore, writesTo } from '../../../test/support/braked-store.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { MemoryStore } from '../../store/memory.ts';

let server: TestApi;
let store: BrakedStore;
/** Draws of five bytes, of which names are made, that come out the same. */
let repeated = 0;
const random: Random = {
  bytes: (count) => (count === 5 && repeated-- > 0 ? new Uint8Array(count) : systemRandom.bytes(count)),
};

beforeEach(async () => {
  repeated = 0;
  store = new BrakedStore(new MemoryStore({ clock: systemClock }));
  server = await startTestApi({ store, random });
});
afterEach(() => server.stop());

const configMap = (name: string, namespace: string) => ({ metadata: { name, namespace } });
const at = async (path: string) => (await store.get(`/coracle/registry/${path}`)).item;

describe('a generated name', () => {
  it('that is taken is drawn again, and a namespace is labelled by the name that it gets', async () => {
    const make = () => server.client.create('Namespace', { metadata: { generateName: 'n-' } });
    repeated = 3;
    const [first, second] = [await make(), await make()];
    expect(first.metadata.name).toBe('n-bbbbb');
    expect(second.metadata.name).not.toBe('n-bbbbb');
    for (const { metadata } of [first, second]) {
      expect(metadata.labels).toEqual({ 'kubernetes.io/metadata.name': metadata.name });
      expect(await at(`serviceaccounts/${metadata.name}/default`)).toBeDefined();
    }
  });

  it('is the one that the pods of a job are labelled with, also when the first was taken', async () => {
    const containers = [{ name: 'c', image: 'i' }];
    const make = () =>
      server.client.create('Job', {
        metadata: { generateName: 'j-', namespace: 'default' },
        spec: { template: { spec: { containers, restartPolicy: 'Never' as const } } },
      });
    repeated = 3;
    for (const { metadata, spec } of [await make(), await make()]) {
      const named = { 'batch.kubernetes.io/job-name': metadata.name, 'job-name': metadata.name };
      expect(spec.template.metadata?.labels).toMatchObject(named);
      expect(metadata.labels).toMatchObject(named);
    }
  });

  it('that is taken again and again ends in an error that asks to come again', async () => {
    const make = () => server.client.create('ConfigMap', { metadata: { generateName: 'x-', namespace: 'default' } });
    repeated = 1;
    await make();
    repeated = 8;
    await expect(make()).rejects.toMatchObject({ reason: 'AlreadyExists', details: { retryAfterSeconds: 1 } });
    repeated = 7;
    await expect(make()).resolves.toBeDefined();
  });
});

describe('on a cache that is behind', () => {
  it('a create finds a namespace that was just made', async () => {
    const release = store.watches.hold();
    await server.client.create('Namespace', { metadata: { name: 'young' } });
    await expect(server.client.create('ConfigMap', configMap('a', 'young'))).resolves.toBeDefined();
    const pod = { metadata: { name: 'p', namespace: 'young' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await expect(server.client.create('Pod', pod)).resolves.toMatchObject({ spec: { serviceAccountName: 'default' } });
    release();
  });

  it('a create is refused in a namespace that is gone, ending, or another one of the same name by now', async () => {
    await server.client.create('Namespace', { metadata: { name: 'old' } });
    await eventually(() => server.cache.get('Namespace', 'old') !== undefined);
    store.watches.hold();
    await server.client.delete('Namespace', 'old');
    await expect(server.client.create('ConfigMap', configMap('a', 'old'))).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('because it is being terminated'),
    });
    await store.txn({ guards: [], writes: [{ type: 'delete', key: '/coracle/registry/namespaces/old' }] });
    await expect(server.client.create('ConfigMap', configMap('a', 'old'))).rejects.toMatchObject({
      reason: 'NotFound',
    });
    expect(await at('configmaps/old/a')).toBeUndefined();
    await server.client.create('Namespace', { metadata: { name: 'old' } });
    await expect(server.client.create('ConfigMap', configMap('a', 'old'))).resolves.toBeDefined();
  });

  it('a namespace that changes while something is made in it is looked at again', async () => {
    const held = store.writes.hold({ match: writesTo('/configmaps/default/a') });
    const making = server.client.create('ConfigMap', configMap('a', 'default'));
    await held.arrived;
    store.watches.hold();
    await server.client.patch('Namespace', 'default', { type: 'merge', body: { metadata: { labels: { a: 'b' } } } });
    held.release();
    await expect(making).resolves.toBeDefined();
  });

  it('a name is taken although the cache does not show it, and free although the cache shows it', async () => {
    await server.client.create('ConfigMap', configMap('gone', 'default'));
    await eventually(() => server.cache.get('ConfigMap', 'default/gone') !== undefined);
    store.watches.hold();
    await server.client.create('ConfigMap', configMap('new', 'default'));
    await expect(server.client.create('ConfigMap', configMap('new', 'default'))).rejects.toMatchObject({
      reason: 'AlreadyExists',
    });
    await expect(
      server.client.create('ConfigMap', configMap('new', 'default'), { dryRun: true }),
    ).rejects.toMatchObject({ reason: 'AlreadyExists' });
    await server.client.delete('ConfigMap', 'gone', { namespace: 'default' });
    await expect(server.client.create('ConfigMap', configMap('gone', 'default'))).resolves.toBeDefined();
  });
});
