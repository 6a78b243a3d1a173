import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../shared/clock.ts';
import type { ConfigMap, ResourceQuota } from '../../../shared/generated/types.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore, writesTo } from '../../../test/support/braked-store.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { MemoryStore } from '../../store/memory.ts';

// All decisions here are made with a stale cache; the state of the store is what counts.

let inner: MemoryStore;
let store: BrakedStore;
let server: TestApi;
beforeEach(async () => {
  inner = new MemoryStore({ clock: systemClock });
  store = new BrakedStore(inner);
  server = await startTestApi({ store });
});
afterEach(() => server.stop());

const key = '/coracle/registry/configmaps/default/a';
async function held<T>(at = key): Promise<T> {
  const { item } = await store.get(at);
  const object = item && JSON.parse(item.value);
  return object && { ...object, metadata: { ...object.metadata, resourceVersion: String(item.revision) } };
}

/** A ConfigMap that the cache has as `shown` and the store as `real`; undefined: it does not exist. */
async function behind(shown: Record<string, string>, real?: Record<string, string>): Promise<ConfigMap> {
  const old = await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' }, data: shown });
  await eventually(() => server.cache.get('ConfigMap', 'default/a') !== undefined);
  store.watches.hold();
  if (real) await server.client.update('ConfigMap', { ...old, data: real });
  else await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
  return old;
}

const patch = (body: object) =>
  server.client.patch('ConfigMap', 'a', { type: 'merge', body }, { namespace: 'default' });

describe('an update', () => {
  it('with the version that the cache shows is a conflict when the store holds a newer one', async () => {
    const old = await behind({ n: '1' }, { n: '2' });
    await expect(server.client.update('ConfigMap', { ...old, data: { n: '3' } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    expect((await held<ConfigMap>()).data).toEqual({ n: '2' });
  });

  it('with the version of the store is accepted, even if the cache has an older one', async () => {
    await behind({ n: '1' }, { n: '2' });
    await server.client.update('ConfigMap', { ...(await held<ConfigMap>()), data: { n: '3' } });
    expect((await held<ConfigMap>()).data).toEqual({ n: '3' });
  });

  it('that equals the cached object is stored when it changes the stored one', async () => {
    const { metadata, ...old } = await behind({ n: '1' }, { n: '2' });
    const { resourceVersion: _any, ...unversioned } = metadata;
    const written = await server.client.update('ConfigMap', { ...old, metadata: unversioned } as ConfigMap);
    expect([written.data, (await held<ConfigMap>()).data]).toEqual([{ n: '1' }, { n: '1' }]);
  });

  it('that equals the stored object returns its version, and writes nothing', async () => {
    await behind({ n: '1' }, { n: '2' });
    const { metadata } = await held<ConfigMap>();
    expect((await patch({ data: { n: '2' } })).metadata.resourceVersion).toBe(metadata.resourceVersion);
    expect((await held<ConfigMap>()).metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  it('builds on the stored object: changes that the cache does not have are kept', async () => {
    await behind({ n: '1' }, { n: '1', theirs: 'x' });
    const written = await patch({ data: { mine: 'y' } });
    expect(written.data).toEqual({ n: '1', theirs: 'x', mine: 'y' });
    expect((await held<ConfigMap>()).data).toEqual(written.data);
  });

  it('of a deleted object is not found, and creates nothing', async () => {
    const old = await behind({ n: '1' });
    await expect(patch({ data: { n: '2' } })).rejects.toMatchObject({ reason: 'NotFound' });
    await expect(server.client.update('ConfigMap', old)).rejects.toMatchObject({ reason: 'NotFound' });
    expect(await held()).toBeUndefined();
  });

  it('of a replaced object does not apply to the new one', async () => {
    const old = await behind({ n: '1' });
    await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' }, data: { n: 'new' } });
    await expect(server.client.update('ConfigMap', { ...old, data: { n: '2' } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    expect((await held<ConfigMap>()).data).toEqual({ n: 'new' });
  });

  it('finds an object that the cache does not have yet', async () => {
    store.watches.hold();
    await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' }, data: { n: '1' } });
    expect((await patch({ data: { n: '2' } })).data).toEqual({ n: '2' });
  });

  it('that the cached object would refuse is allowed by the stored one', async () => {
    const old = await server.client.create('ConfigMap', {
      metadata: { name: 'a', namespace: 'default' },
      immutable: true,
    });
    await eventually(() => server.cache.get('ConfigMap', 'default/a') !== undefined);
    store.watches.hold();
    await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
    await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' } });
    expect((await patch({ data: { n: '2' } })).data).toEqual({ n: '2' });
    expect((await held<ConfigMap>()).metadata.uid).not.toBe(old.metadata.uid);
  });

  it('whose answer is lost was done all the same; the next one builds on it', async () => {
    await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' }, data: { n: '1' } });
    await eventually(() => server.cache.get('ConfigMap', 'default/a') !== undefined);
    store.watches.hold();
    store.writes.fail({ match: writesTo('/default/a'), applied: true });
    await expect(patch({ data: { first: 'x' } })).rejects.toMatchObject({ reason: 'Timeout' });
    expect((await patch({ data: { second: 'y' } })).data).toEqual({ n: '1', first: 'x', second: 'y' });
  });
});

describe('a deletion', () => {
  const remove = (preconditions?: { uid?: string; resourceVersion?: string }) =>
    server.client.delete('ConfigMap', 'a', { namespace: 'default', preconditions });

  it('with a precondition is decided by the stored object', async () => {
    const { metadata } = await behind({ n: '1' }, { n: '2' });
    await expect(remove({ resourceVersion: metadata.resourceVersion })).rejects.toMatchObject({ reason: 'Conflict' });
    const now = await held<ConfigMap>();
    await remove({ uid: now.metadata.uid, resourceVersion: now.metadata.resourceVersion });
    expect(await held()).toBeUndefined();
  });

  it('of one object does not delete another that replaced it', async () => {
    const old = await behind({ n: '1' });
    await server.client.create('ConfigMap', { metadata: { name: 'a', namespace: 'default' } });
    await expect(remove({ uid: old.metadata.uid })).rejects.toMatchObject({ reason: 'Conflict' });
    expect(await held()).toBeDefined();
  });

  it('waits for a finalizer that the cache does not show yet', async () => {
    await behind({ n: '1' }, { n: '2' });
    await patch({ metadata: { finalizers: ['example.com/wait'] } });
    await remove();
    expect((await held<ConfigMap>()).metadata).toMatchObject({
      deletionTimestamp: expect.any(String),
      finalizers: ['example.com/wait'],
    });
    await patch({ metadata: { finalizers: [] } });
    expect(await held()).toBeUndefined();
  });

  it('of a deleted object is not found', async () => {
    await behind({ n: '1' });
    await expect(remove()).rejects.toMatchObject({ reason: 'NotFound' });
  });
});

describe('a quota', () => {
  const pod = (name: string) => ({
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] },
  });
  const create = (name: string) => server.client.create('Pod', pod(name));
  const quotaKey = (name: string) => `/coracle/registry/resourcequotas/default/${name}`;

  /** A quota that its controller has counted; the cache shows it. */
  async function quota(name: string, hard: Record<string, string>, used: Record<string, string>): Promise<void> {
    const made = await server.client.create('ResourceQuota', {
      metadata: { name, namespace: 'default' },
      spec: { hard },
    });
    await server.client.updateStatus('ResourceQuota', { ...made, status: { hard, used } } as ResourceQuota);
    await eventually(() => {
      const seen = server.cache.get('ResourceQuota', `default/${name}`) as ResourceQuota | undefined;
      return seen?.status?.used !== undefined;
    });
  }
  async function recount(name: string, used: Record<string, string>): Promise<void> {
    const now = await held<ResourceQuota>(quotaKey(name));
    await server.client.updateStatus('ResourceQuota', { ...now, status: { ...now.status, used } });
  }
  const used = async (name: string) => (await held<ResourceQuota>(quotaKey(name))).status?.used;
  const exceeded = { reason: 'Forbidden', message: expect.stringContaining('exceeded quota: q') };

  it('gives its last place to one of many creates at once', async () => {
    await quota('q', { pods: '3' }, { pods: '2' });
    store.watches.hold();
    const answers = await Promise.allSettled(['a', 'b', 'c', 'd'].map(create));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))).toEqual(
      [1, 2, 3].map(() => expect.objectContaining(exceeded)),
    );
    expect(await used('q')).toEqual({ pods: '3' });
  });

  it('allocates no address that is free only in the cache, and allocates one that is used only in the cache', async () => {
    await quota('q', { pods: '1' }, { pods: '0' });
    store.watches.hold();
    await recount('q', { pods: '1' });
    await expect(create('a')).rejects.toMatchObject(exceeded);
    await recount('q', { pods: '0' });
    await expect(create('b')).resolves.toBeDefined();
    expect(await used('q')).toEqual({ pods: '1' });
  });

  it('is charged together with a second one, or neither is', async () => {
    await quota('p', { 'requests.cpu': '9' }, { 'requests.cpu': '0' });
    await quota('q', { pods: '1' }, { pods: '0' });
    store.watches.hold();
    await create('a');
    await expect(create('b')).rejects.toMatchObject(exceeded);
    expect([await used('p'), await used('q')]).toEqual([{ 'requests.cpu': '1' }, { pods: '1' }]);
  });

  it('is not charged for an existing name, nor for a write that the store refused', async () => {
    await quota('q', { pods: '5' }, { pods: '0' });
    store.watches.hold();
    store.writes.fail({ match: writesTo('/pods/default/a'), applied: true });
    await expect(create('a')).rejects.toMatchObject({ reason: 'Timeout' });
    expect(await used('q')).toEqual({ pods: '1' });
    await expect(create('a')).rejects.toMatchObject({ reason: 'AlreadyExists' });
    store.writes.fail({ match: writesTo('/pods/default/b') });
    await expect(create('b')).rejects.toMatchObject({ reason: 'Timeout' });
    await expect(server.client.create('Pod', pod('c'), { dryRun: true })).resolves.toBeDefined();
    expect(await used('q')).toEqual({ pods: '1' });
  });

  it('that was deleted blocks nothing', async () => {
    await quota('q', { pods: '0' }, { pods: '0' });
    store.watches.hold();
    await expect(create('a')).rejects.toMatchObject(exceeded);
    await server.client.delete('ResourceQuota', 'q', { namespace: 'default' });
    await expect(create('b')).resolves.toBeDefined();
    expect(await held(quotaKey('q'))).toBeUndefined();
  });

  it('is not exceeded over two servers whose caches are both behind', async () => {
    await quota('q', { pods: '5' }, { pods: '0' });
    const other = await startTestApi({ store: new BrakedStore(inner) });
    try {
      store.watches.hold();
      (other.store as BrakedStore).watches.hold();
      const names = Array.from({ length: 8 }, (_, i) => `p${i}`);
      const answers = await Promise.allSettled([
        ...names.map((name) => create(`${name}-here`)),
        ...names.map((name) => other.client.create('Pod', pod(`${name}-there`))),
      ]);
      expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
      expect(await used('q')).toEqual({ pods: '5' });
      expect((await store.list('/coracle/registry/pods/default/')).items).toHaveLength(5);
    } finally {
      await other.stop().catch(() => undefined);
    }
  });
});

describe('an eviction', () => {
  it('uses the disruptions allowed by the budget in the store, not in the cache', async () => {
    const labels = { app: 'web' };
    const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    for (const name of ['a', 'b']) {
      const made = await server.client.create('Pod', {
        metadata: { name, namespace: 'default', labels },
        spec: { containers: [{ name: 'c', image: 'i' }] },
      });
      await server.client.updateStatus('Pod', { ...made, status: ready } as typeof made);
    }
    const budget = await server.client.create('PodDisruptionBudget', {
      metadata: { name: 'b', namespace: 'default' },
      spec: { selector: { matchLabels: labels }, maxUnavailable: 1 },
    });
    const status = {
      observedGeneration: 1,
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 2,
    };
    await server.client.updateStatus('PodDisruptionBudget', { ...budget, status } as typeof budget);
    const pods = await Promise.all(['a', 'b'].map((name) => server.client.get('Pod', name, 'default')));
    await eventually(() => server.cache.revision >= Number(pods[1]?.metadata.resourceVersion));
    store.watches.hold();
    const answers = await Promise.allSettled(pods.map((one) => server.client.evict(one)));
    expect(answers.map(({ status: how }) => how).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await store.list('/coracle/registry/pods/default/')).items).toHaveLength(1);
    expect(await held('/coracle/registry/policy/poddisruptionbudgets/default/b')).toMatchObject({
      status: { disruptionsAllowed: 0 },
    });
  });
});
