import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WatchBatch } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { createInformers } from '../../../shared/informers.ts';
import { builtinKinds, kindNamed } from '../../../shared/kinds/index.ts';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { BrakedStore, writesTo } from '../../../test/support/braked-store.ts';
import { objectKey } from '../keys.ts';
import { MemoryStore } from '../memory.ts';
import type { CacheBatch } from './broadcaster.ts';
import { WatchCache } from './watch-cache.ts';

/** No jitter: only the fixed half of each delay remains. */
const random = { bytes: (count: number) => new Uint8Array(count) };

describe('the cache on a slow store', () => {
  let clock: VirtualClock;
  let store: BrakedStore;
  let cache: WatchCache;
  let stop: AbortController;
  let running: Promise<void>;
  beforeEach(async () => {
    clock = new VirtualClock();
    store = new BrakedStore(new MemoryStore({ clock }));
    stop = new AbortController();
    cache = new WatchCache({ kinds: builtinKinds.stored, store, clock, random, log: silentLog });
    await put('first');
    running = cache.run(stop.signal);
    await clock.advance(0);
  });
  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await clock.advance(10_000);
    await running;
  });

  const key = (name: string) => objectKey(kindNamed('ConfigMap'), 'a', name);
  const put = async (name: string, x = '1'): Promise<number> => {
    const value = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: 'a' },
      data: { x },
    });
    return (await store.txn({ guards: [], writes: [{ type: 'put', key: key(name), value }] })).revision;
  };
  const remove = async (name: string): Promise<number> =>
    (await store.txn({ guards: [], writes: [{ type: 'delete', key: key(name) }] })).revision;
  const names = () => cache.list('ConfigMap').map(({ metadata }) => metadata.name);
  const outcome = (promise: Promise<unknown>): { value: unknown } => {
    const result = { value: 'pending' as unknown };
    promise.then(
      () => {
        result.value = 'done';
      },
      (error: unknown) => {
        result.value = error instanceof ApiError ? error.reason : error;
      },
    );
    return result;
  };
  const follow = (from: number | 'initial') => {
    const lines: string[] = [];
    const batches: CacheBatch[] = [];
    const end = outcome(
      (async () => {
        for await (const batch of cache.subscribe({ kinds: ['ConfigMap'], from }, {}, stop.signal)) {
          batches.push(batch);
          for (const { type, object, revision } of batch.events)
            lines.push(`${type} ${object.metadata.name} ${revision}`);
        }
      })(),
    );
    return { lines, batches, end };
  };

  it('shows a revision only when it is complete, and rejects waiting readers at their deadline', async () => {
    const before = cache.revision;
    const release = store.watches.hold();
    const revision = await put('second');
    const patient = outcome(cache.waitFor(revision, stop.signal, 10_000));
    const hasty = outcome(cache.waitFor(revision, stop.signal));
    const present = outcome(cache.waitFor(before, stop.signal));
    await clock.advance(2_999);
    expect([present.value, hasty.value, cache.revision, names()]).toEqual(['done', 'pending', before, ['first']]);
    await clock.advance(1);
    expect([hasty.value, patient.value]).toEqual(['Timeout', 'pending']);
    release();
    await clock.advance(0);
    expect([patient.value, names()]).toEqual(['done', ['first', 'second']]);
  });

  it('continues at its revision when its watch breaks: subscribers notice nothing', async () => {
    const seen = follow('initial');
    await clock.advance(0);
    const open = store.watches.refuse();
    store.watches.cut();
    const revisions = [await put('second'), await remove('first'), await put('second', '2')];
    await clock.advance(300);
    expect(names()).toEqual(['first']);
    open();
    await clock.advance(1_000);
    expect(seen.lines.slice(1)).toEqual([
      `ADDED second ${revisions[0]}`,
      `DELETED first ${revisions[1]}`,
      `MODIFIED second ${revisions[2]}`,
    ]);
    expect([seen.end.value, names()]).toEqual(['pending', ['second']]);
  });

  it('reconnects with a delay that doubles up to five seconds, and is reset by an event', async () => {
    const open = store.watches.refuse();
    const tried: number[] = [];
    const watch = store.watch.bind(store);
    store.watch = (...args) => {
      tried.push(clock.monotonic());
      return watch(...args);
    };
    const waits = () => tried.slice(1).map((at, i) => at - (tried[i] as number));
    store.watches.cut();
    await clock.advance(14_000);
    expect(waits().slice(0, 9)).toEqual([50, 100, 200, 400, 800, 1_600, 2_500, 2_500, 2_500]);
    open();
    await clock.advance(2_500);
    await put('second');
    await clock.advance(10);
    tried.length = 0;
    const shut = store.watches.refuse();
    const cutAt = clock.monotonic();
    store.watches.cut();
    await clock.advance(26);
    expect(tried.map((at) => at - cutAt)).toEqual([25]);
    shut();
  });

  it('loads again what it missed, and ends its subscribers with Expired', async () => {
    await put('second');
    await clock.advance(0);
    const early = follow('initial');
    await clock.advance(0);
    const end = store.watches.lose();
    await remove('first');
    const last = await put('third');
    await clock.advance(0);
    expect(names()).toEqual(['first', 'second']);
    end();
    await clock.advance(100);
    expect([names(), cache.revision, cache.oldest]).toEqual([['second', 'third'], last, last]);
    expect([early.end.value, early.lines]).toEqual([
      'Expired',
      [expect.stringContaining('first'), expect.stringContaining('second')],
    ]);
    const late = follow(last - 1);
    const fresh = follow(last);
    await clock.advance(0);
    expect([late.end.value, fresh.end.value, fresh.lines]).toEqual(['Expired', 'pending', []]);
    const next = await put('fourth');
    await clock.advance(0);
    expect(fresh.lines).toEqual([`ADDED fourth ${next}`]);
  });

  it('never goes back: it refuses to load a state older than its own, and tries again', async () => {
    const old = cache.revision;
    await put('second');
    await remove('first');
    await clock.advance(0);
    const shown = cache.revision;
    store.listRevision = old;
    store.watches.overrun();
    await put('third');
    await clock.advance(5_000);
    expect([cache.revision, names()]).toEqual([shown, ['second']]);
    store.listRevision = undefined;
    await clock.advance(5_000);
    expect([cache.revision, names()]).toEqual([shown + 1, ['second', 'third']]);
  });

  it('keeps its state while a new load fails', async () => {
    const list = store.list.bind(store);
    store.list = () => Promise.reject(new ApiError('Timeout', 'no answer'));
    store.watches.overrun();
    await put('second');
    await clock.advance(1_000);
    expect(names()).toEqual(['first']);
    store.list = list;
    await clock.advance(5_000);
    expect(names()).toEqual(['first', 'second']);
  });

  it('adds later events of the watch to a load that is older than the next event it needs', async () => {
    const behind = (await store.get('/')).revision;
    const revision = await put('second');
    const late = new WatchCache({ kinds: builtinKinds.stored, store, clock, random, log: silentLog });
    store.listRevision = behind;
    const following = late.run(stop.signal);
    const ready = outcome(late.waitFor(revision, stop.signal));
    await clock.advance(0);
    expect([ready.value, late.count('ConfigMap')]).toEqual(['done', 2]);
    stop.abort();
    await clock.advance(10_000);
    await following;
  });

  it('writes once to the store to reach another server’s revision, and again when the write failed', async () => {
    const ticks: number[] = [];
    const isTick = writesTo('/tick');
    const began = clock.monotonic();
    const failing = store.writes.hold({
      match: (txn) => isTick(txn) && ticks.push(clock.monotonic() - began) === 1,
    });
    const ahead = cache.revision + 1;
    const wait = () => outcome(cache.waitFor(ahead, stop.signal));
    const waits = [wait()];
    await clock.advance(99);
    waits.push(wait());
    expect(ticks).toEqual([]);
    await clock.advance(1);
    expect(ticks).toEqual([100]);
    await clock.advance(500);
    expect(ticks).toEqual([100]);
    store.writes.fail({ match: isTick });
    failing.release();
    await clock.advance(0);
    expect(waits.map(({ value }) => value)).toEqual(['done', 'done']);
    const next = outcome(cache.waitFor(ahead + 1, stop.signal));
    await clock.advance(100);
    const last = outcome(cache.waitFor(ahead + 1, stop.signal, 60));
    await clock.advance(29);
    expect([next.value, last.value]).toEqual(['pending', 'pending']);
    await clock.advance(1);
    expect([next.value, last.value]).toEqual(['done', 'done']);
  });

  it('writes nothing for a wait that ends earlier, and nothing for a revision it already has', async () => {
    let ticks = 0;
    store.writes.fail({ match: (txn) => writesTo('/tick')(txn) && ++ticks > 1_000 });
    const ahead = cache.revision + 1;
    const wait = outcome(cache.waitFor(ahead, stop.signal));
    const own = new AbortController();
    const aborted = outcome(cache.waitFor(ahead + 5, own.signal));
    await clock.advance(50);
    await put('second');
    own.abort('given up');
    await cache.waitFor(ahead, stop.signal);
    await clock.advance(500);
    expect([wait.value, aborted.value, ticks]).toEqual(['done', 'given up', 0]);
    await expect(cache.waitFor(ahead + 5, own.signal)).rejects.toBe('given up');
  });

  it('lets informers report deletions that were missed, from the newly loaded state', async () => {
    await put('second');
    await clock.advance(0);
    const client = {
      async *watch(kinds: readonly Kind[], signal: AbortSignal): AsyncIterable<WatchBatch> {
        yield* cache.subscribe({ kinds, from: 'initial' }, {}, signal);
      },
    };
    const informers = createInformers({ client, clock, random, log: silentLog }, ['ConfigMap']);
    const reported: string[] = [];
    informers.onChange((changes: readonly Change[]) => {
      for (const { key: of, before, after } of changes)
        reported.push(`${of} ${before ? 'was' : ''}${after ? ' is' : ''}`);
    });
    const informed = informers.run(stop.signal);
    await clock.advance(0);
    const end = store.watches.lose();
    await remove('first');
    await put('third');
    end();
    await clock.advance(500);
    expect(reported).toEqual(['a/first  is', 'a/second  is', 'a/third  is', 'a/first was']);
    expect([informers.revision, informers.of('ConfigMap').size]).toEqual([cache.revision, 2]);
    stop.abort(new Error('the test is over'));
    await informed;
  });
});
