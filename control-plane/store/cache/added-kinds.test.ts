import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtinKinds } from '../../../shared/kinds/index.ts';
import { silentLog } from '../../../shared/log.ts';
import { seededRandom } from '../../../shared/random.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { MemoryStore } from '../memory.ts';
import type { ListOptions, Page } from '../store.ts';
import { WatchCache } from './watch-cache.ts';

const widgets = { id: 'Widget.example.com', group: 'example.com', plural: 'widgets', namespaced: true } as const;
const pathOf = (name: string) => `/coracle/registry/example.com/widgets/a/${name}`;

describe('a kind that is added to a running cache', () => {
  let clock: VirtualClock;
  let store: BrakedStore;
  let stop: AbortController;
  let cache: WatchCache;
  let running: Promise<void>;

  beforeEach(async () => {
    clock = new VirtualClock();
    store = new BrakedStore(new MemoryStore({ clock }));
    stop = new AbortController();
    cache = new WatchCache({ kinds: builtinKinds.stored, store, clock, random: seededRandom(1), log: silentLog });
    running = cache.run(stop.signal);
    await clock.advance(0);
  });
  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await clock.advance(10_000);
    await running;
  });

  const put = async (name: string, x = ''): Promise<number> => {
    const value = JSON.stringify({
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { namespace: 'a', name },
      x,
    });
    const { revision } = await store.txn({ guards: [], writes: [{ type: 'put', key: pathOf(name), value }] });
    await clock.advance(0);
    return revision;
  };
  const remove = async (name: string): Promise<void> => {
    await store.txn({ guards: [], writes: [{ type: 'delete', key: pathOf(name) }] });
    await clock.advance(0);
  };
  const shown = () =>
    cache.list(widgets.id).map((object) => `${object.metadata.name}${(object as { x?: string }).x ?? ''}`);
  const add = async (): Promise<void> => {
    const added = cache.addKind(widgets, stop.signal);
    await clock.advance(0);
    await added;
  };
  /** Runs `meanwhile` after the next list of the kind has read the store, and before it answers. */
  const whileListed = (meanwhile: () => Promise<unknown>): void => {
    const list = store.list.bind(store);
    store.list = async (prefix: string, options?: ListOptions): Promise<Page> => {
      const page = await list(prefix, options);
      if (!prefix.includes('widgets')) return page;
      store.list = list;
      await meanwhile();
      return page;
    };
  };

  it('has the objects that were stored before, and new ones', async () => {
    await put('before');
    expect(shown()).toEqual([]);
    await add();
    expect(shown()).toEqual(['before']);
    await put('after');
    await remove('before');
    expect([shown(), cache.count(widgets.id), cache.count(widgets.id, 'a')]).toEqual([['after'], 1, 1]);
  });

  it('has the newest version of an object that changes while the kind is loaded, and no object that is deleted meanwhile', async () => {
    for (const name of ['changed', 'gone', 'same']) await put(name, '1');
    whileListed(async () => {
      await put('changed', '2');
      await remove('gone');
      await put('new', '1');
    });
    await add();
    expect(shown()).toEqual(['changed2', 'new1', 'same1']);
  });

  it('can be watched from its addition on, not from earlier revisions', async () => {
    await put('before');
    const early = cache.revision;
    await put('later');
    await add();
    const read = async (from: number): Promise<string[]> => {
      for await (const batch of cache.subscribe({ kinds: [widgets.id], from }, {}, stop.signal)) {
        if (batch.events.length > 0) return batch.events.map(({ type, key }) => `${type} ${key}`);
      }
      return [];
    };
    await expect(read(early)).rejects.toMatchObject({ reason: 'Expired' });
    const now = cache.revision;
    await put('after');
    expect(await read(now)).toEqual(['ADDED a/after']);
  });

  it('is dropped when it is removed, with its memory and its subscriptions, and can be added again', async () => {
    await put('one');
    await add();
    const held = cache.memory.heap;
    const batches = cache.subscribe({ kinds: [widgets.id], from: 'initial' }, {}, stop.signal);
    expect((await batches.next()).value).toMatchObject({ events: [{ key: 'a/one' }], synced: true });
    const next = batches.next();
    cache.removeKind(widgets.id);
    await expect(next).rejects.toMatchObject({ reason: 'Expired' });
    expect([shown(), cache.memory.heap < held]).toEqual([[], true]);
    await put('two');
    expect(shown()).toEqual([]);
    await add();
    expect(shown()).toEqual(['one', 'two']);
    await expect(cache.addKind(widgets, stop.signal)).rejects.toThrow('the cache has Widget.example.com already');
  });

  it('does not exist when it could not be read, and can be added later', async () => {
    await put('one');
    whileListed(() => Promise.reject(new Error('the store is away')));
    const added = cache.addKind(widgets, stop.signal);
    await expect(added).rejects.toThrow('the store is away');
    expect(shown()).toEqual([]);
    await add();
    expect(shown()).toEqual(['one']);
  });
});
