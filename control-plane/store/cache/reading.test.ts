import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtinKinds, kindNamed } from '../../../shared/kinds/index.ts';
import { silentLog } from '../../../shared/log.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { objectKey } from '../keys.ts';
import { MemoryStore } from '../memory.ts';
import type { Write } from '../store.ts';
import type { CacheBatch } from './broadcaster.ts';
import { WatchCache, type WatchCacheDeps } from './watch-cache.ts';

const random = { bytes: (count: number) => new Uint8Array(count) };
const keyOf = (name: string) => objectKey(kindNamed('ConfigMap'), 'a', name);
const textOf = (name: string, x = '') =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'a' }, data: { x } });
const put = (name: string, x?: string): Write => ({ type: 'put', key: keyOf(name), value: textOf(name, x) });

describe('the cache', () => {
  let clock: VirtualClock;
  let store: BrakedStore;
  let stop: AbortController;
  let cache: WatchCache;
  let running: Promise<void> | undefined;
  beforeEach(() => {
    clock = new VirtualClock();
    store = new BrakedStore(new MemoryStore({ clock }));
    stop = new AbortController();
    running = undefined;
  });
  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await clock.advance(10_000);
    await running;
  });

  const start = async (more: Partial<WatchCacheDeps> = {}): Promise<void> => {
    cache = new WatchCache({ kinds: builtinKinds.stored, store, clock, random, log: silentLog, ...more });
    running = cache.run(stop.signal);
    await clock.advance(0);
  };
  const commit = async (...writes: Write[]): Promise<number> => (await store.txn({ guards: [], writes })).revision;
  const names = () => cache.list('ConfigMap').map(({ metadata }) => metadata.name);
  const follow = (from: number | 'initial', signal = stop.signal) => {
    const batches: CacheBatch[] = [];
    const done = (async () => {
      for await (const batch of cache.subscribe({ kinds: ['ConfigMap', 'Pod'], from }, {}, signal)) batches.push(batch);
    })().catch(() => undefined);
    const lines = () =>
      batches.flatMap(({ events }) => events.map(({ type, key, revision }) => `${type} ${key} ${revision}`));
    return { batches, lines, done };
  };

  it('skips values that are not objects, when it loads and when it watches', async () => {
    const odd = ['', '{', 'null', '7', '"text"', '[]', '{"kind":"ConfigMap"}'];
    const writes = odd.map((value, i): Write => ({ type: 'put', key: keyOf(`odd-${i}`), value }));
    writes.push({ type: 'put', key: '/coracle/registry/unknown/x', value: textOf('x') });
    writes.push({ type: 'put', key: '/coracle/other', value: textOf('x') });
    await commit(...writes, put('good'));
    await start();
    const seen = follow('initial');
    expect(names()).toEqual(['good']);
    const last = await commit(...writes);
    const removal = await commit({ type: 'delete', key: keyOf('odd-0') }, { type: 'delete', key: keyOf('never') });
    await clock.advance(0);
    expect([names(), cache.revision, last + 1, seen.lines()]).toEqual([['good'], removal, removal, ['ADDED a/good 2']]);
  });

  it('reads small and large objects, with their approximate sizes', async () => {
    await commit(put('small', 'x'), put('large', 'x'.repeat(100_000)));
    await start();
    const [large, small] = cache.list('ConfigMap');
    expect([small?.data, large?.data?.x?.length]).toEqual([{ x: 'x' }, 100_000]);
    expect([small, large].map((one) => one?.metadata.resourceVersion)).toEqual(['2', '2']);
    expect(cache.sizeOf(large as KubeObject)).toBeGreaterThan(100_000);
    expect(cache.sizeOf(small as KubeObject)).toBeGreaterThan(textOf('small', 'x').length);
    expect(cache.sizeOf(small as KubeObject)).toBeLessThan(2_000);
    expect(cache.memory.heap).toBeGreaterThan(0);
  });

  it('reads all pages at one revision, for any number of objects', async () => {
    for (let i = 0; i < 25; i++) await commit(...Array.from({ length: 100 }, (_, k) => put(`${i}-${k}`)));
    const list = store.list.bind(store);
    const pages: (number | undefined)[] = [];
    store.list = async (prefix, options) => {
      pages.push(options?.revision);
      const page = await list(prefix, options);
      if (pages.length === 1) await commit(put('meanwhile'));
      return page;
    };
    await start();
    expect([pages, cache.count('ConfigMap'), cache.revision]).toEqual([[undefined, 26, 26], 2_501, 27]);
  });

  it('reads the type of the newest changes from the store, for subscribers that resume there', async () => {
    await commit(put('changed'));
    await commit(put('untouched'));
    const revision = await commit(put('changed', '2'), put('new'));
    await start();
    const seen = follow(revision);
    await clock.advance(0);
    expect(seen.lines()).toEqual([`MODIFIED a/changed ${revision}`, `ADDED a/new ${revision}`]);
  });

  it('sends the initial state in batches of a thousand objects or about 8 MiB, the last of them synced', async () => {
    for (let i = 0; i < 21; i++) await commit(...Array.from({ length: 100 }, (_, k) => put(`${i}-${k}`)));
    await start();
    const many = follow('initial');
    await clock.advance(0);
    expect(many.batches.map(({ events, synced, initial }) => [events.length, synced, initial])).toEqual([
      [1_000, false, true],
      [1_000, false, true],
      [100, true, true],
    ]);
    expect(new Set(many.lines()).size).toBe(2_100);
    for (let i = 0; i < 21; i++) {
      await commit(...Array.from({ length: 100 }, (_, k): Write => ({ type: 'delete', key: keyOf(`${i}-${k}`) })));
    }
    const mib = 1024 * 1024;
    for (let i = 0; i < 10; i++) await commit(put(`large-${i}`, 'x'.repeat(mib)));
    await clock.advance(0);
    const large = follow('initial');
    await clock.advance(0);
    expect(large.batches.map(({ events }) => events.length)).toEqual([8, 2]);
  });

  it('sends an empty initial state as one batch', async () => {
    await start();
    const seen = follow('initial');
    await clock.advance(0);
    expect(seen.batches).toEqual([{ revision: 1, initial: true, synced: true, events: [] }]);
  });

  it('sends changes during the initial state once each', async () => {
    for (let i = 0; i < 15; i++) await commit(...Array.from({ length: 100 }, (_, k) => put(`${i}-${k}`)));
    await start();
    const reader = cache.subscribe({ kinds: ['ConfigMap'], from: 'initial' }, {}, stop.signal);
    const first = (await reader.next()).value as CacheBatch;
    const revision = await commit(put('14-99', 'changed'), put('new'));
    await clock.advance(0);
    const rest = (await reader.next()).value as CacheBatch;
    expect([first.events.length, rest.events.length, rest.synced]).toEqual([1_000, 500, true]);
    const after = (await reader.next()).value as CacheBatch;
    expect(after).toMatchObject({ revision, initial: false, synced: true });
    expect(after.events.map(({ type, key }) => `${type} ${key}`)).toEqual(['MODIFIED a/14-99', 'ADDED a/new']);
    await reader.return();
  });

  it('sends its progress every five seconds, or at the configured interval', async () => {
    for (const [given, everyMs] of [
      [undefined, 5_000],
      [700, 700],
    ] as const) {
      stop = new AbortController();
      await start(given === undefined ? {} : { progressMs: given });
      const seen = follow('initial');
      await clock.advance(0);
      const revision = (await store.txn({ guards: [], writes: [{ type: 'put', key: '/coracle/other', value: '' }] }))
        .revision;
      await clock.advance(everyMs - 1);
      expect(seen.batches).toHaveLength(1);
      await clock.advance(1);
      expect(seen.batches.slice(1)).toEqual([{ revision, initial: false, synced: true, events: [] }]);
      stop.abort(new Error('done'));
      await running;
      await seen.done;
    }
  });

  it('sends nothing before it is loaded, and wakes waiters when it is', async () => {
    const list = store.list.bind(store);
    let release: () => void = () => undefined;
    store.list = async (...args) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return list(...args);
    };
    await commit(put('a'));
    await start();
    let ready = false;
    const waiting = cache.ready(stop.signal).then(() => {
      ready = true;
    });
    const own = new AbortController();
    const given = cache.ready(own.signal).catch((error: unknown) => error);
    const seen = follow('initial');
    const over = new AbortController();
    const quiet = follow('initial', over.signal);
    over.abort();
    await quiet.done;
    own.abort('given up');
    await clock.advance(60_000);
    expect([cache.revision, ready, await given, seen.batches, quiet.batches]).toEqual([0, false, 'given up', [], []]);
    release();
    await waiting;
    await clock.advance(0);
    expect([cache.revision, seen.lines()]).toEqual([2, ['ADDED a/a 2']]);
    await expect(cache.ready(own.signal)).resolves.toBeUndefined();
  });

  it('rejects a subscriber whose revision is ahead of the store, at its deadline', async () => {
    await start();
    const ahead = cache.subscribe({ kinds: ['ConfigMap'], from: cache.revision + 50 }, {}, stop.signal);
    const failed = ahead.next().catch((error: unknown) => error);
    await clock.advance(3_000);
    expect(await failed).toMatchObject({
      reason: 'Timeout',
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
    });
  });
});
