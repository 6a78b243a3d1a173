import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import type { ApiError } from '../../shared/errors.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from '../../test/support/api-server.ts';
import { MemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';

let server: TestApi;
beforeEach(async () => {
  server = await startTestApi();
});
afterEach(() => server.stop());

const pod = (name: string, more: object = {}) => ({
  metadata: { name, namespace: 'default', ...more },
  spec: { containers: [{ name: 'app', image: 'app:1' }] },
});
const configMap = (name: string, data: Record<string, string> = {}) => ({
  metadata: { name, namespace: 'default' },
  data,
});

describe('create', () => {
  it('gives uid, creationTimestamp and resourceVersion, and reads show it at once', async () => {
    const made = await server.client.create('Pod', pod('a'));
    expect(made.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const read = await server.client.get('Pod', 'a', 'default');
    expect(read.metadata).toEqual(made.metadata);
  });

  it('refuses a name that is taken', async () => {
    await server.client.create('ConfigMap', configMap('a'));
    await expect(server.client.create('ConfigMap', configMap('a'))).rejects.toMatchObject({
      reason: 'AlreadyExists',
      message: 'configmaps "a" already exists',
    });
  });

  it('draws another name for generateName when one is taken', async () => {
    const made = await Promise.all(
      Array.from({ length: 50 }, () =>
        server.client.create('ConfigMap', { metadata: { generateName: 'x-', namespace: 'default' } }),
      ),
    );
    expect(new Set(made.map((one) => one.metadata.name)).size).toBe(50);
    expect(made[0]?.metadata.name).toMatch(/^x-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it('says which namespace is missing', async () => {
    const lost = { metadata: { name: 'a', namespace: 'nowhere' } };
    await expect(server.client.create('ConfigMap', lost)).rejects.toMatchObject({
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
    });
  });

  it('stores nothing on a dry run', async () => {
    await server.client.create('ConfigMap', configMap('a'), { dryRun: true });
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
});

describe('update', () => {
  it('loses no increment of concurrent writers', async () => {
    await server.client.create('ConfigMap', configMap('counter', { n: '0' }));
    const add = async (): Promise<void> => {
      for (;;) {
        const seen = await server.client.get('ConfigMap', 'counter', 'default');
        const n = String(Number(seen.data?.n) + 1);
        try {
          await server.client.update('ConfigMap', { ...seen, data: { n } });
          return;
        } catch (error) {
          expect(error).toMatchObject({
            reason: 'Conflict',
            message:
              'Operation cannot be fulfilled on configmaps "counter": the object has been modified; please apply your changes to the latest version and try again',
          });
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, add));
    expect((await server.client.get('ConfigMap', 'counter', 'default')).data?.n).toBe('20');
  });

  it('keeps every key that concurrent patches add', async () => {
    await server.client.create('ConfigMap', configMap('a'));
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    await Promise.all(
      keys.map((key) =>
        server.client.patch(
          'ConfigMap',
          'a',
          { type: 'merge', body: { data: { [key]: 'x' } } },
          { namespace: 'default' },
        ),
      ),
    );
    const after = await server.client.get('ConfigMap', 'a', 'default');
    expect(Object.keys(after.data ?? {}).sort()).toEqual([...keys].sort());
  });

  it('without resourceVersion the last write wins', async () => {
    await server.client.create('ConfigMap', configMap('a'));
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        server.client.update('ConfigMap', configMap('a', { n: String(i) }) as never),
      ),
    );
    expect((await server.client.get('ConfigMap', 'a', 'default')).data).toHaveProperty('n');
  });

  it('writes nothing when nothing changes', async () => {
    const made = await server.client.create('ConfigMap', configMap('a', { k: 'v' }));
    const same = await server.client.update('ConfigMap', made);
    expect(same.metadata.resourceVersion).toBe(made.metadata.resourceVersion);
  });

  it('keeps status and spec apart and counts generations of the spec only', async () => {
    const made = await server.client.create('Deployment', deployment('d'));
    expect(made.metadata.generation).toBe(1);
    const reported = await server.client.updateStatus('Deployment', {
      ...made,
      spec: { ...made.spec, replicas: 9 },
      status: { replicas: 3 },
    });
    expect(reported.spec.replicas).toBe(1);
    expect(reported.status?.replicas).toBe(3);
    expect(reported.metadata.generation).toBe(1);
    const scaled = await server.client.update('Deployment', {
      ...reported,
      spec: { ...reported.spec, replicas: 2 },
      status: {},
    });
    expect(scaled.metadata.generation).toBe(2);
    expect(scaled.status?.replicas).toBe(3);
  });

  it('ignores the kind in a strategic merge patch, at scale too, as clients name the kind that they scale', async () => {
    await server.client.create('Deployment', deployment('named'));
    const patch = (subresource: 'scale' | undefined, type: 'strategic' | 'merge', body: object) =>
      server.client.patch('Deployment', 'named', { type, body }, { namespace: 'default', subresource });
    await patch('scale', 'strategic', { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 4 } });
    expect((await server.client.get('Deployment', 'named', 'default')).spec.replicas).toBe(4);
    const labelled = { kind: 'Scale', metadata: { labels: { a: 'b' } } };
    expect(await patch(undefined, 'strategic', labelled)).toMatchObject({
      kind: 'Deployment',
      metadata: { labels: { a: 'b' } },
    });
    await expect(patch('scale', 'merge', { kind: 'Deployment', spec: { replicas: 5 } })).rejects.toThrow('Scale');
  });

  it('scales through the scale subresource', async () => {
    await server.client.create('Deployment', deployment('d'));
    await server.client.patch(
      'Deployment',
      'd',
      { type: 'merge', body: { spec: { replicas: 4 } } },
      { namespace: 'default', subresource: 'scale' },
    );
    expect((await server.client.get('Deployment', 'd', 'default')).spec.replicas).toBe(4);
  });
});

const deployment = (name: string) => ({
  metadata: { name, namespace: 'default' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'app', image: 'app:1' }] },
    },
  },
});

describe('delete', () => {
  it('waits for finalizers and goes with the last of them', async () => {
    await server.client.create('ConfigMap', {
      metadata: { name: 'a', namespace: 'default', finalizers: ['example.com/one', 'example.com/two'] },
    });
    await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
    const waiting = await server.client.get('ConfigMap', 'a', 'default');
    expect(waiting.metadata.deletionTimestamp).toBeDefined();
    const one = { ...waiting, metadata: { ...waiting.metadata, finalizers: ['example.com/two'] } };
    const left = await server.client.update('ConfigMap', one);
    await expect(
      server.client.update('ConfigMap', {
        ...left,
        metadata: { ...left.metadata, finalizers: ['example.com/two', 'example.com/new'] },
      }),
    ).rejects.toMatchObject({
      reason: 'Invalid',
      message:
        'ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/new"}',
    });
    await server.client.update('ConfigMap', { ...left, metadata: { ...left.metadata, finalizers: [] } });
    await expect(server.client.get('ConfigMap', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it.each([true, false])(
    'answers who takes the last finalizer off the object as patched (dry run: %s)',
    async (dryRun) => {
      const metadata = { name: 'a', namespace: 'default', finalizers: ['example.com/one'] };
      await server.client.create('ConfigMap', { metadata, data: { k: '1' } });
      await server.client.delete('ConfigMap', 'a', { namespace: 'default' });
      const body = { metadata: { finalizers: null, labels: { seen: 'yes' } }, data: { k: '2' } };
      const options = { namespace: 'default', dryRun };
      const answer = await server.client.patch('ConfigMap', 'a', { type: 'merge', body }, options);
      expect(answer.metadata.finalizers ?? []).toEqual([]);
      expect([answer.metadata.labels, answer.data]).toEqual([{ seen: 'yes' }, { k: '2' }]);
      expect(answer.metadata.deletionTimestamp).toBeDefined();
      const { items } = await server.client.list('ConfigMap', { fieldSelector: 'metadata.name=a' });
      expect(items).toHaveLength(dryRun ? 1 : 0);
    },
  );

  it('tells what is wrong with the metadata first, and then the rest', async () => {
    const metadata = { name: 'UP', namespace: 'default', labels: { 'a b': 'c' } };
    const made = server.client.create('Service', { metadata, spec: { type: 'Odd', ports: [{ port: 80 }] } } as never);
    const error = await made.catch((refusal: ApiError) => refusal);
    const fields = (error as ApiError).details.causes?.map(({ field }) => field);
    expect(fields).toEqual(['metadata.name', 'metadata.labels', 'spec.type']);
  });

  it('refuses another object of the same name by its uid', async () => {
    await server.client.create('ConfigMap', configMap('a'));
    await expect(
      server.client.delete('ConfigMap', 'a', { namespace: 'default', preconditions: { uid: 'other' } }),
    ).rejects.toMatchObject({ reason: 'Conflict' });
  });

  it('adds the finalizer of a foreground deletion', async () => {
    await server.client.create('Deployment', deployment('d'));
    await server.client.delete('Deployment', 'd', { namespace: 'default', propagationPolicy: 'Foreground' });
    const waiting = await server.client.get('Deployment', 'd', 'default');
    expect(waiting.metadata.finalizers).toEqual(['foregroundDeletion']);
  });

  it('protects the namespaces that every cluster needs', async () => {
    await expect(server.client.delete('Namespace', 'kube-system')).rejects.toMatchObject({
      reason: 'Forbidden',
      message: 'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    });
  });
});

describe('watch', () => {
  it('shows an object that comes to match as ADDED and one that ceases to as DELETED', async () => {
    const end = new AbortController();
    const context = { identity: { user: 'u', groups: [] }, signal: end.signal, warnings: [] };
    const { items: _items, resourceVersion } = await server.client.list('ConfigMap');
    const entry = (await import('../../shared/kinds/index.ts')).kindNamed('ConfigMap');
    const events: string[] = [];
    const watching = (async () => {
      for await (const event of server.api.watch(context, { entry, labelSelector: 'a=b', resourceVersion })) {
        events.push(`${event.type} ${JSON.stringify(event.object.metadata.labels ?? {})}`);
        if (events.length === 3) return;
      }
    })();
    let now = await server.client.create('ConfigMap', configMap('x'));
    for (const labels of [{ a: 'b' }, { a: 'b', c: 'd' }, {}]) {
      now = await server.client.update('ConfigMap', {
        ...now,
        metadata: { ...now.metadata, labels: labels as Record<string, string> },
      });
    }
    await watching;
    end.abort();
    expect(events).toEqual(['ADDED {"a":"b"}', 'MODIFIED {"a":"b","c":"d"}', 'DELETED {"a":"b","c":"d"}']);
  });
});

describe('list', () => {
  it('pages show one revision though objects come and go between them', async () => {
    for (let i = 0; i < 10; i++) await server.client.create('ConfigMap', configMap(`c${i}`));
    const names: string[] = [];
    let page = await server.client.list('ConfigMap', { namespace: 'default', limit: 3 });
    const version = page.resourceVersion;
    for (;;) {
      names.push(...page.items.map((item) => item.metadata.name));
      if (!page.continue) break;
      await server.client.delete('ConfigMap', `c${9 - Math.floor(names.length / 3)}`, { namespace: 'default' });
      page = await server.client.list('ConfigMap', { namespace: 'default', limit: 3, continue: page.continue });
      expect(page.resourceVersion).toBe(version);
    }
    expect(names).toEqual(Array.from({ length: 10 }, (_, i) => `c${i}`));
  });

  it('tells that a page is too old once its revision is forgotten', async () => {
    for (let i = 0; i < 4; i++) await server.client.create('ConfigMap', configMap(`c${i}`));
    const page = await server.client.list('ConfigMap', { limit: 2 });
    const last = await server.client.create('ConfigMap', configMap('last'));
    await server.store.compact(Number(last.metadata.resourceVersion));
    await expect(server.client.list('ConfigMap', { limit: 2, continue: page.continue })).rejects.toMatchObject({
      reason: 'Expired',
    });
  });
});

describe('deletion of pods', () => {
  const bound = (name: string) => ({ ...pod(name), spec: { ...pod(name).spec, nodeName: 'n1' } });

  it('removes a pod that no node runs at once', async () => {
    await server.client.create('Pod', pod('a'));
    await server.client.delete('Pod', 'a', { namespace: 'default' });
    await expect(server.client.get('Pod', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('gives a running pod its grace, which a second deletion can only shorten', async () => {
    await server.client.create('Pod', bound('a'));
    const remaining = async (gracePeriodSeconds?: number): Promise<number | undefined> => {
      await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds });
      return (await server.client.get('Pod', 'a', 'default')).metadata.deletionGracePeriodSeconds;
    };
    expect(await remaining()).toBe(30);
    expect(await remaining(60)).toBe(30);
    expect(await remaining(5)).toBe(5);
    await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds: 0 });
    await expect(server.client.get('Pod', 'a', 'default')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('counts the generation on and sets the time by which the pod must be gone', async () => {
    const made = await server.client.create('Pod', bound('a'));
    const before = Date.now();
    await server.client.delete('Pod', 'a', { namespace: 'default', gracePeriodSeconds: 100 });
    const { metadata } = await server.client.get('Pod', 'a', 'default');
    expect(metadata.generation).toBe((made.metadata.generation ?? 0) + 1);
    expect(Date.parse(metadata.deletionTimestamp ?? '')).toBeGreaterThan(before + 90_000);
  });

  it('evicts', async () => {
    const made = await server.client.create('Pod', bound('a'));
    await server.client.evict(made);
    expect((await server.client.get('Pod', 'a', 'default')).metadata.deletionTimestamp).toBeDefined();
  });
});

describe('admission', () => {
  it('gives pods an account and a priority, and knows the system’s classes only', async () => {
    const plain = await server.client.create('Pod', pod('a'));
    expect(plain.spec).toMatchObject({ serviceAccountName: 'default', priority: 0 });
    const system = await server.client.create('Pod', {
      ...pod('b'),
      spec: { ...pod('b').spec, priorityClassName: 'system-node-critical' },
    });
    expect(system.spec.priority).toBe(2_000_001_000);
    await expect(
      server.client.create('Pod', { ...pod('c'), spec: { ...pod('c').spec, priorityClassName: 'mine' } }),
    ).rejects.toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('no PriorityClass with name mine'),
    });
  });
});

describe('several servers on one store', () => {
  let other: TestApi;
  beforeEach(async () => {
    other = await startTestApi({ store: unclosable(server.store) });
  });
  afterEach(() => other.stop());

  it('read what another has just written', async () => {
    for (let i = 0; i < 50; i++) {
      await server.client.create('ConfigMap', configMap(`c${i}`));
      expect((await other.client.get('ConfigMap', `c${i}`, 'default')).metadata.name).toBe(`c${i}`);
      const { items } = await other.client.list('ConfigMap', { namespace: 'default' });
      expect(items).toHaveLength(i + 1);
    }
  });

  it('do not take a state that another has replaced for nothing to do', async () => {
    const first = await server.client.create('ConfigMap', configMap('a', { k: '1' }));
    await other.client.get('ConfigMap', 'a', 'default');
    const patch = (k: string) => ({ type: 'merge', body: { data: { k } } }) as const;
    const second = server.client.patch('ConfigMap', 'a', patch('2'), { namespace: 'default' });
    await second;
    const third = await other.client.patch('ConfigMap', 'a', patch('1'), { namespace: 'default' });
    expect(third.data).toEqual({ k: '1' });
    expect(Number(third.metadata.resourceVersion)).toBeGreaterThan(Number(first.metadata.resourceVersion));
    expect((await server.client.get('ConfigMap', 'a', 'default')).data).toEqual({ k: '1' });
  });
});

it('asks the store once for many reads that come together', async () => {
  const store = new MemoryStore({ clock: systemClock });
  let asked = 0;
  const counting = new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (name === 'get') asked++;
        return value.apply(target, args);
      };
    },
  });
  const many = await startTestApi({ store: counting });
  asked = 0;
  await Promise.all(Array.from({ length: 1_000 }, () => many.client.get('Namespace', 'default')));
  expect(asked).toBeLessThan(5);
  await many.stop();
});

it('forgets events an hour after they were last written', async () => {
  const clock = new VirtualClock();
  const starting = startTestApi({ clock });
  await clock.advance(100);
  const old = await starting;
  const made = old.client.create('Event', {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    reason: 'Tested',
    type: 'Normal',
  } as never);
  await clock.advance(10);
  await made;
  await clock.advance(50 * 60_000);
  expect(old.cache.count('Event')).toBe(1);
  await clock.advance(15 * 60_000);
  expect(old.cache.count('Event')).toBe(0);
  const stopping = old.stop();
  await clock.advance(10);
  await stopping;
});

/** The same store for another user, who does not close it. */
function unclosable(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === 'close') return () => Promise.resolve();
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
