import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { ApiError } from '../../../shared/errors.ts';
import type { Random } from '../../../shared/random.ts';
import { systemRandom } from '../../../shared/random.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore, writesTo } from '../../../test/support/braked-store.ts';
import { podDraft } from '../../../test/support/drafts.ts';
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

describe('create', () => {
  it('gives uid, creationTimestamp and resourceVersion, and reads show it at once', async () => {
    const made = await server.client.create('Pod', podDraft('a'));
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const read = await server.client.get('Pod', 'a', 'default');
    expect(read.metadata).toEqual(made.metadata);
  });

  it('refuses an existing name', async () => {
    await server.client.create('ConfigMap', configMap('a', 'default'));
    await expect(server.client.create('ConfigMap', configMap('a', 'default'))).rejects.toMatchObject({
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
    });
  });

  it('generates another name for generateName when one exists', async () => {
    const made = await Promise.all(
      Array.from({ length: 50 }, () =>
        server.client.create('ConfigMap', { metadata: { generateName: 'x-', namespace: 'default' } }),
      ),
    );
    expect(new Set(made.map((one) => one.metadata.name)).size).toBe(50);
    expect(made[0]?.metadata.name).toMatch(/^x-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('names the missing namespace', async () => {
    const lost = { metadata: { name: 'a', namespace: 'nowhere' } };
    await expect(server.client.create('ConfigMap', lost)).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
    });
  });

  it('stores nothing on a dry run', async () => {
    await server.client.create('ConfigMap', configMap('a', 'default'), { dryRun: true });
    await expect(server.client.get('ConfigMap', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('leaves nothing behind in a namespace whose deletion was answered before', async () => {
    for (let round = 0; round < 20; round++) {
      const namespace = `n${round}`;
      await server.client.create('Namespace', { metadata: { name: namespace } });
      let deleted = false;
      const writes = Array.from({ length: 10 }, async (_, i) => {
        for (let wait = 0; wait < i; wait++) await Promise.resolve();
        const late = deleted;
        try {
          await server.client.create('ConfigMap', { metadata: { name: `c${i}`, namespace } });
          return !late;
        } catch (error) {
          expect(error).toMatchObject({ reason: 'Forbidden' });
          return true;
        }
      });
      await Promise.resolve();
      const gone = server.client.delete('Namespace', namespace).then(() => {
        deleted = true;
      });
      expect(await Promise.all(writes)).not.toContain(false);
      await gone;
      await expect(server.client.create('ConfigMap', { metadata: { name: 'after', namespace } })).rejects.toMatchObject(
        {
          reason: 'Forbidden',
          details: { causes: [{ reason: 'NamespaceTerminating' }] },
        },
      );
    }
  });

  it('reports faults of the metadata first, and then the others', async () => {
    const metadata = { name: 'UP', namespace: 'default', labels: { 'a b': 'c' } };
    const made = server.client.create('Service', { metadata, spec: { type: 'Odd', ports: [{ port: 80 }] } } as never);
    const error = await made.catch((refusal: ApiError) => refusal);
    const fields = (error as ApiError).details.causes?.map(({ field }) => field);
    expect(fields).toEqual(['metadata.name', 'metadata.labels', 'spec.type']);
  });
});

describe('a generated name', () => {
  it('that exists is generated again, and a namespace is labelled with its final name', async () => {
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

  it('is used in the labels of a job’s pods, also when the first one existed', async () => {
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

  it('that exists repeatedly ends in an error that asks for a retry', async () => {
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

  it('a create is refused in a namespace that is deleted, terminating, or was replaced by now', async () => {
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

  it('whether a name exists is decided by the store, not the cache', async () => {
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
