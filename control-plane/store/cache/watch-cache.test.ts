import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { Kind, Pod } from '../../../shared/generated/types.ts';
import { builtinKinds } from '../../../shared/kinds/index.ts';
import { type KindEntry, kindTable } from '../../../shared/kinds/table.ts';
import { silentLog } from '../../../shared/log.ts';
import { randomInt, seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { objectKey } from '../keys.ts';
import { MemoryStore } from '../memory.ts';
import type { Store, StoreBatch, Txn } from '../store.ts';
import type { CacheBatch, CacheEvent } from './broadcaster.ts';
import { packedBytes } from './packed.ts';
import type { SubscribeOptions } from './subscription.ts';
import { WatchCache } from './watch-cache.ts';

function entryOf(kind: Kind): KindEntry {
  const entry = kindTable.find((candidate) => candidate.kind === kind);
  if (!entry) throw new Error(`no kind ${kind}`);
  return entry;
}

function write(kind: Kind, key: string, label: string | undefined): Txn['writes'][number] {
  const [namespace, name] = key.includes('/') ? (key.split('/') as [string, string]) : ['', key];
  const path = objectKey(entryOf(kind), namespace, name);
  if (label === undefined) return { type: 'delete', key: path };
  const metadata = { name, ...(namespace ? { namespace } : {}), labels: { v: label } };
  return { type: 'put', key: path, value: JSON.stringify({ apiVersion: 'v1', kind, metadata }) };
}

/** A store whose watches can be broken, and that like etcd need not report revisions without changes under its prefix. */
class BreakableStore extends MemoryStore implements Store {
  #breaks = new AbortController();
  quiet = false;

  breakWatches(): void {
    this.#breaks.abort();
    this.#breaks = new AbortController();
  }

  override async *watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    const broken = this.#breaks.signal;
    for await (const batch of super.watch(prefix, from, AbortSignal.any([signal, broken]))) {
      if (batch.events.length > 0 || !this.quiet) yield batch;
    }
    if (broken.aborted) throw new ApiError('ServiceUnavailable', 'broken by the test');
  }
}

/** The state of a client that applies a subscription: key → label and revision. */
class Replica {
  readonly objects = new Map<string, string>();
  revision = 0;
  expired = 0;
  batches: CacheBatch[] = [];

  apply(batch: CacheBatch): void {
    this.batches.push(batch);
    if (batch.revision < this.revision) throw new Error('the revision went back');
    for (const event of batch.events) {
      const key = `${event.kind} ${event.key}`;
      if (event.type === 'DELETED') this.objects.delete(key);
      else this.objects.set(key, text(event));
    }
    this.revision = batch.revision;
  }
}

function text(event: CacheEvent): string {
  return `${event.object.metadata.labels?.v}@${event.object.metadata.resourceVersion}`;
}

describe('the watch cache', () => {
  let clock: VirtualClock;
  let store: BreakableStore;
  let stop: AbortController;
  let cache: WatchCache;
  let running: Promise<void>;
  const start = async (more: { window?: number } = {}): Promise<void> => {
    cache = new WatchCache({
      kinds: builtinKinds.stored,
      store,
      clock,
      random: seededRandom(1),
      log: silentLog,
      ...more,
    });
    running = cache.run(stop.signal);
    await clock.advance(0);
  };
  beforeEach(() => {
    clock = new VirtualClock();
    store = new BreakableStore({ clock });
    stop = new AbortController();
    setMaxListeners(0, stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await store.close();
  });

  const put = async (kind: Kind, key: string, label: string | undefined): Promise<number> =>
    (await store.txn({ guards: [], writes: [write(kind, key, label)] })).revision;
  const collect = (
    kinds: Kind[],
    from: number | 'initial',
    options: SubscribeOptions = {},
    signal: AbortSignal = stop.signal,
  ) => {
    const batches: CacheBatch[] = [];
    const result = { batches, error: undefined as unknown, done: false };
    void (async () => {
      for await (const batch of cache.subscribe({ kinds, from }, options, signal)) batches.push(batch);
    })()
      .catch((error: unknown) => {
        result.error = error;
      })
      .finally(() => {
        result.done = true;
      });
    return result;
  };
  const format = (batches: readonly CacheBatch[]): string[] =>
    batches.flatMap((batch) => batch.events.map((event) => `${event.type} ${event.key} ${text(event)}`));

  it('gives every object the revision of its last write, and lists in key order', async () => {
    const b = await put('Pod', 'b/x', '1');
    const a = await put('Pod', 'a/y', '1');
    await start();
    const c = await put('Pod', 'a/x', '1');
    await clock.advance(0);
    expect(cache.get('Pod', 'a/x')?.metadata.resourceVersion).toBe(String(c));
    const versions = (pods: readonly Pod[]) => pods.map((pod) => Number(pod.metadata.resourceVersion));
    expect(versions(cache.list('Pod'))).toEqual([c, a, b]);
    expect(versions(cache.list('Pod', 'a'))).toEqual([c, a]);
    expect(cache.list('Pod', 'nowhere')).toEqual([]);
    expect([cache.count('Pod'), cache.count('Pod', 'b'), cache.count('Node')]).toEqual([3, 1, 0]);
    expect(cache.revision).toBe(c);
  });

  it('returns lists that never change afterwards', async () => {
    await put('Pod', 'a/1', '1');
    await start();
    const before = cache.list('Pod');
    await put('Pod', 'a/2', '1');
    await put('Pod', 'a/1', undefined);
    await clock.advance(0);
    expect(before.map((pod) => pod.metadata.name)).toEqual(['1']);
    expect(cache.list('Pod').map((pod) => pod.metadata.name)).toEqual(['2']);
  });

  it('skips what it cannot read and continues', async () => {
    await store.txn({ guards: [], writes: [{ type: 'put', key: objectKey(entryOf('Pod'), 'a', 'bad'), value: '{' }] });
    await start();
    const last = await put('Pod', 'a/good', '1');
    await clock.advance(0);
    expect(cache.revision).toBe(last);
    expect(cache.count('Pod')).toBe(1);
  });

  it('sends the current state first, then every change with the previous object', async () => {
    const one = await put('Pod', 'a/1', 'x');
    await put('Node', 'n', 'x');
    await start();
    const seen = collect(['Pod'], 'initial');
    await clock.advance(0);
    expect(seen.batches).toMatchObject([{ initial: true, synced: true, events: [{ type: 'ADDED', revision: one }] }]);
    const two = await put('Pod', 'a/1', 'y');
    const gone = await put('Pod', 'a/1', undefined);
    await clock.advance(0);
    expect(format(seen.batches.slice(1))).toEqual([`MODIFIED a/1 y@${two}`, `DELETED a/1 y@${gone}`]);
    const events = seen.batches.flatMap((batch) => batch.events);
    expect(events[1]?.before).toBe(events[0]?.object);
    expect(events[2]?.before).toBe(events[1]?.object);
  });

  it('resumes from a revision without gaps or duplicates', async () => {
    await start();
    const first = await put('Pod', 'a/1', 'x');
    const second = await put('Pod', 'a/2', 'x');
    const third = await put('Pod', 'a/1', 'y');
    await clock.advance(0);
    const seen = collect(['Pod'], first);
    await clock.advance(0);
    const fourth = await put('Pod', 'a/3', 'x');
    await clock.advance(0);
    expect(format(seen.batches)).toEqual([`ADDED a/2 x@${second}`, `MODIFIED a/1 y@${third}`, `ADDED a/3 x@${fourth}`]);
  });

  it('repeats a revision that changed several objects when a subscriber resumes from it', async () => {
    await start();
    const writes = ['a/1', 'a/2', 'a/3'].map((key) => write('Pod', key, 'x'));
    const { revision } = await store.txn({ guards: [], writes });
    await clock.advance(0);
    const pods = collect(['Pod'], revision);
    const nodes = collect(['Node'], revision);
    await clock.advance(0);
    expect(format(pods.batches)).toEqual([1, 2, 3].map((i) => `ADDED a/${i} x@${revision}`));
    expect(format(nodes.batches)).toEqual([]);
  });

  it('repeats it even when the server has restarted at that revision', async () => {
    const writes = ['a/1', 'a/2'].map((key) => write('Pod', key, 'x'));
    const { revision } = await store.txn({ guards: [], writes });
    await start();
    const pods = collect(['Pod'], revision);
    await clock.advance(0);
    expect(format(pods.batches)).toEqual([1, 2].map((i) => `ADDED a/${i} x@${revision}`));
  });

  it('waits for a revision that it has not reached yet, up to the deadline', async () => {
    await start();
    const revision = cache.revision + 1;
    let reached = false;
    void cache.waitFor(revision, stop.signal).then(() => {
      reached = true;
    });
    await clock.advance(10);
    expect(reached).toBe(false);
    await put('Pod', 'a/1', 'x');
    await clock.advance(0);
    expect(reached).toBe(true);
    const late = cache.waitFor(revision + 100, stop.signal, 500).catch((error: unknown) => error);
    await clock.advance(500);
    expect(await late).toMatchObject({ reason: 'Timeout', message: expect.stringContaining('Too large') });
    const own = new AbortController();
    const aborted = cache.waitFor(revision + 100, own.signal).catch((error: unknown) => error);
    own.abort(new Error('gone'));
    expect(await aborted).toMatchObject({ message: 'gone' });
  });

  it('reaches revisions written by programs other than Coracle', async () => {
    store.quiet = true;
    await start();
    const { revision } = await store.txn({ guards: [], writes: [{ type: 'put', key: '/others/x', value: '' }] });
    const wait = cache.waitFor(revision, stop.signal);
    await clock.advance(300);
    await wait;
    expect(cache.revision).toBeGreaterThanOrEqual(revision);
  });

  it('ends a subscription with Expired when its revision has left the window', async () => {
    await start({ window: 10 });
    const first = await put('Pod', 'a/0', 'x');
    for (let i = 1; i <= 10; i++) await put('Pod', `a/${i}`, 'x');
    await clock.advance(0);
    expect(cache.oldest).toBe(first);
    const still = collect(['Pod'], first);
    const gone = collect(['Pod'], first - 1);
    await clock.advance(0);
    expect(format(still.batches)).toHaveLength(10);
    expect(gone.error).toMatchObject({
      reason: 'Expired',
      message: `too old resource version: ${first - 1} (${first})`,
    });
  });

  it('ends a slow subscriber with Expired without affecting others', async () => {
    await start();
    const slow = cache.subscribe({ kinds: ['Pod'], from: 'initial' }, { maxBuffered: 5 }, stop.signal);
    await slow.next();
    const pending = slow.next();
    const quick = collect(['Pod'], 'initial', { maxBuffered: 5 });
    await clock.advance(0);
    for (let i = 0; i < 20; i++) {
      await put('Pod', `a/${i}`, 'x');
      await clock.advance(0);
    }
    await pending;
    await expect(slow.next()).rejects.toMatchObject({ reason: 'Expired' });
    expect(format(quick.batches)).toHaveLength(20);
    expect(quick.error).toBeUndefined();
  });

  it('keeps a subscriber to a quiet kind through any number of changes of other kinds', async () => {
    await start({ window: 10 });
    const seen = collect(['Node'], 'initial');
    await clock.advance(0);
    for (let i = 0; i < 100; i++) await put('Pod', `a/${i}`, 'x');
    await put('Node', 'n', 'x');
    await clock.advance(0);
    expect(seen.error).toBeUndefined();
    expect(format(seen.batches)).toHaveLength(1);
  });

  it('holds large objects as bytes, and reads them like parsed ones', async () => {
    await start();
    const pod = entryOf('ConfigMap');
    const large = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace: 'n' },
      data: { x: 'y'.repeat(100_000) },
    };
    const key = objectKey(pod, 'n', 'a');
    await store.txn({ guards: [], writes: [{ type: 'put', key, value: JSON.stringify(large) }] });
    await clock.advance(0);
    expect(packedBytes(cache.get('ConfigMap', 'n/a') ?? {})).toBe(JSON.stringify(large).length);
    expect(cache.get('ConfigMap', 'n/a')?.data).toEqual(large.data);
    expect(cache.memory.bytes).toBe(JSON.stringify(large).length);
    expect(cache.memory.heap).toBeLessThan(10_000);
    await store.txn({ guards: [], writes: [{ type: 'delete', key }] });
    await clock.advance(0);
    expect(cache.memory).toEqual({ heap: 0, bytes: 0 });
  });

  it('keeps a bounded number of bytes of recent events, and sends a bounded part of them at a time', async () => {
    await start();
    await put('Pod', 'a/b', '1');
    await clock.advance(0);
    const entry = entryOf('ConfigMap');
    const versions = 100;
    const following = cache.subscribe({ kinds: ['ConfigMap'], from: cache.revision }, {}, stop.signal);
    const first = following.next();
    let revision = 0;
    for (let version = 0; version < versions; version++) {
      const metadata = { name: 'a', namespace: 'n' };
      const value = JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata,
        data: { x: `${version}`.repeat(500_000) },
      });
      ({ revision } = await store.txn({
        guards: [],
        writes: [{ type: 'put', key: objectKey(entry, 'n', 'a'), value }],
      }));
      await clock.advance(0);
    }
    expect(cache.oldest).toBeGreaterThan(revision - 100);
    await first;
    // What was left for it is no more in the ring.
    await expect(following.next()).rejects.toMatchObject({ reason: 'Expired' });
    const recent = cache.subscribe({ kinds: ['ConfigMap'], from: revision - 10 }, {}, stop.signal);
    const sizes: number[] = [];
    for await (const batch of recent) {
      sizes.push(batch.events.length);
      if (batch.revision === revision) break;
    }
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(10);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3);
  });

  it('reports the current revision to idle subscribers', async () => {
    await start();
    const seen = collect(['Node'], 'initial');
    await clock.advance(0);
    const revision = await put('Pod', 'a/1', 'x');
    await clock.advance(20_000);
    const { length } = seen.batches;
    expect(seen.batches.at(-1)).toEqual({ revision, initial: false, synced: true, events: [] });
    await clock.advance(20_000);
    expect(seen.batches).toHaveLength(length);
  });

  it('ends a subscription without an error by its signal, in any state', async () => {
    await start();
    for (let i = 0; i < 2500; i++) await put('Pod', `a/${i}`, 'x');
    await clock.advance(0);
    const own = new AbortController();
    const idle = collect(['Node'], 'initial', {}, own.signal);
    const reader = cache.subscribe({ kinds: ['Pod'], from: 'initial' }, {}, own.signal);
    await reader.next();
    await clock.advance(0);
    own.abort();
    await clock.advance(0);
    expect(idle).toMatchObject({ done: true, error: undefined });
    await reader.next();
    expect((await reader.next()).done).toBe(true);
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`brings every subscriber to the state of the store through random failures (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      await start({ window: 60 });
      const kinds: Kind[] = ['Pod', 'Node', 'NodeGuard'];
      const replicas = kinds.map((kind) => ({ kinds: [kind], replica: new Replica() }));
      replicas.push({ kinds, replica: new Replica() }, { kinds: ['Pod', 'Node'], replica: new Replica() });
      for (const { kinds: wanted, replica } of replicas) {
        void (async () => {
          while (!stop.signal.aborted) {
            const own = new AbortController();
            const signal = AbortSignal.any([own.signal, stop.signal]);
            const from = replica.revision > 0 && randomInt(random, 3) > 0 ? replica.revision : 'initial';
            if (from === 'initial') replica.objects.clear();
            try {
              for await (const batch of cache.subscribe({ kinds: wanted, from }, { maxBuffered: 30 }, signal)) {
                replica.apply(batch);
                if (batch.synced && randomInt(random, 8) === 0) break;
                if (randomInt(random, 4) === 0) await clock.sleep(randomInt(random, 40), stop.signal);
              }
            } catch (error) {
              if (stop.signal.aborted) return;
              if (!(error instanceof ApiError) || error.reason !== 'Expired') throw error;
              replica.expired++;
              replica.revision = 0;
            }
            own.abort();
          }
        })();
      }
      for (let step = 0; step < 800; step++) {
        const writes = new Map<string, Txn['writes'][number]>();
        for (let i = randomInt(random, 5); i >= 0; i--) {
          const kind = kinds[randomInt(random, kinds.length)] as Kind;
          const key =
            kind === 'Pod' ? `ns${randomInt(random, 3)}/p${randomInt(random, 12)}` : `n${randomInt(random, 12)}`;
          const change = write(kind, key, randomInt(random, 3) === 0 ? undefined : String(step));
          writes.set(change.key, change);
        }
        await store.txn({ guards: [], writes: [...writes.values()] });
        if (randomInt(random, 20) === 0) store.breakWatches();
        if (randomInt(random, 40) === 0) {
          store.breakWatches();
          await store.compact((await store.get('/')).revision);
        }
        if (randomInt(random, 3) === 0) await clock.advance(randomInt(random, 30));
      }
      const { revision } = await store.get('/');
      await clock.advanceUntil(() => replicas.every(({ replica }) => replica.revision >= revision), 60_000);
      for (const { kinds: wanted, replica } of replicas) {
        const expected = new Map<string, string>();
        for (const item of (await store.list('/coracle/registry/')).items) {
          const { kind, metadata } = JSON.parse(item.value) as { kind: Kind; metadata: Pod['metadata'] };
          const key = metadata.namespace ? `${metadata.namespace}/${metadata.name}` : `${metadata.name}`;
          if (wanted.includes(kind)) expected.set(`${kind} ${key}`, `${metadata.labels?.v}@${item.revision}`);
        }
        expect(replica.revision).toBeGreaterThanOrEqual(revision);
        expect(new Map([...replica.objects].sort())).toEqual(new Map([...expected].sort()));
      }
      expect(replicas.some(({ replica }) => replica.expired > 0)).toBe(true);
    });
  }
});
