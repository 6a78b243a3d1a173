import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConfigMap } from '../../../shared/generated/types.ts';
import { kindNamed } from '../../../shared/kinds/index.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { startTestApi, type TestApi } from '../../../test/support/api-server.ts';
import { BrakedStore } from '../../../test/support/braked-store.ts';
import { MemoryStore } from '../../store/memory.ts';
import type { WatchQuery } from '../api.ts';

const entry = kindNamed('ConfigMap');
const namespace = 'default';

let clock: VirtualClock;
let store: BrakedStore;
let server: TestApi;
beforeEach(async () => {
  clock = new VirtualClock();
  store = new BrakedStore(new MemoryStore({ clock }));
  server = await running(startTestApi({ store, clock, window: 64 }));
});
afterEach(async () => {
  await running(server.stop());
});

/** The result of a promise, while the clock advances. */
async function running<T>(asked: Promise<T>): Promise<T> {
  let done = false;
  const settled = asked.finally(() => {
    done = true;
  });
  settled.catch(() => undefined);
  while (!done) await clock.advance(50);
  return settled;
}

const settle = () => clock.advance(0);
const context = (signal = new AbortController().signal) => ({
  identity: { user: 'u', groups: [] },
  signal,
  warnings: [],
});
const create = (name: string, labels: Record<string, string> = {}) =>
  running(server.client.create('ConfigMap', { metadata: { name, namespace, labels } }));
const label = (name: string, value: string | null) =>
  running(
    server.client.patch(
      'ConfigMap',
      name,
      { type: 'merge', body: { metadata: { labels: { app: value } } } },
      { namespace },
    ),
  );
const remove = (name: string) => running(server.client.delete('ConfigMap', name, { namespace }));
const names = (items: readonly { metadata: { name: string } }[]) => items.map(({ metadata }) => metadata.name);
const list = (query: object = {}) => server.api.list(context(), { entry, namespace, ...query });

/** A watch that records its events, and how it ended. */
function follow(query: Partial<WatchQuery> = {}) {
  const stop = new AbortController();
  const seen: string[] = [];
  const state: { error?: unknown; revision?: string } = {};
  const done = (async () => {
    for await (const { type, object } of server.api.watch(context(stop.signal), { entry, namespace, ...query })) {
      state.revision = object.metadata.resourceVersion;
      seen.push(`${type} ${object.metadata.name ?? ''}`.trim());
    }
  })().catch((error: unknown) => {
    state.error = error;
  });
  return { seen, state, done, stop: () => stop.abort() };
}

describe('a read on a cache that is behind', () => {
  it('returns what was written before it: it waits for the cache', async () => {
    const release = store.watches.hold();
    await create('a');
    let page: { items: readonly unknown[] } | undefined;
    const reading = list().then((one) => {
      page = one;
    });
    await clock.advance(500);
    expect(page).toBeUndefined();
    release();
    await running(reading);
    expect(names((page?.items ?? []) as ConfigMap[])).toEqual(['a']);
    await expect(running(server.client.get('ConfigMap', 'a', namespace))).resolves.toMatchObject({
      metadata: { name: 'a' },
    });
  });

  it('is answered in time that the cache is behind, rather than the past', async () => {
    store.watches.hold();
    await create('a');
    await expect(running(list())).rejects.toMatchObject({ reason: 'Timeout' });
    await expect(running(server.client.get('ConfigMap', 'a', namespace))).rejects.toMatchObject({ reason: 'Timeout' });
  });

  it('of any version returns the cache immediately', async () => {
    await create('a');
    await running(list());
    store.watches.hold();
    await create('b');
    await remove('a');
    const page = await list({ resourceVersion: '0' });
    expect(names(page.items)).toEqual(['a']);
  });

  it('of a version waits for that one only', async () => {
    const { metadata } = await create('a');
    await running(list());
    store.watches.hold();
    await create('b');
    expect(names((await list({ resourceVersion: metadata.resourceVersion })).items)).toEqual(['a']);
    const ahead = String(Number(metadata.resourceVersion) + 1_000);
    await expect(running(list({ resourceVersion: ahead }))).rejects.toMatchObject({ reason: 'Timeout' });
  });
});

describe('a watch', () => {
  it('from a version receives all that came after it, in order, however late it comes', async () => {
    const { metadata } = await create('a');
    await running(list());
    const watch = follow({ resourceVersion: metadata.resourceVersion });
    await settle();
    const release = store.watches.hold();
    await create('b');
    await label('a', 'x');
    await remove('b');
    await settle();
    expect(watch.seen).toEqual([]);
    release();
    await settle();
    expect(watch.seen).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b']);
    expect(watch.state.error).toBeUndefined();
    watch.stop();
    await watch.done;
  });

  it('that begins on a cache that is behind is shown the present first, not the past', async () => {
    await create('a');
    await running(list());
    const release = store.watches.hold();
    await remove('a');
    await create('b');
    const watch = follow();
    await settle();
    expect(watch.seen).toEqual([]);
    release();
    await settle();
    expect(watch.seen).toEqual(['ADDED b']);
    watch.stop();
    await watch.done;
  });

  it('that missed changes ends with Expired; a list and a watch from its version deliver the rest', async () => {
    await create('a');
    await running(list());
    const watch = follow({ resourceVersion: (await list({ resourceVersion: '0' })).resourceVersion });
    await settle();
    const end = store.watches.lose();
    await create('lost');
    await remove('a');
    await settle();
    end();
    await running(watch.done);
    expect([watch.seen, watch.state.error]).toEqual([[], expect.objectContaining({ reason: 'Expired' })]);
    const page = await running(list());
    expect(names(page.items)).toEqual(['lost']);
    const next = follow({ resourceVersion: page.resourceVersion });
    await settle();
    await create('c');
    await settle();
    expect(next.seen).toEqual(['ADDED c']);
    next.stop();
    await next.done;
  });

  it('continues after the store was unavailable, and misses nothing', async () => {
    await create('a');
    const { resourceVersion } = await running(list());
    const watch = follow({ resourceVersion });
    await settle();
    const open = store.watches.refuse();
    store.watches.cut();
    await create('b');
    await create('c');
    open();
    await running(list());
    await settle();
    expect([watch.seen, watch.state.error]).toEqual([['ADDED b', 'ADDED c'], undefined]);
    watch.stop();
    await watch.done;
  });

  it('from a compacted version is refused with Expired, from a future one with Timeout', async () => {
    const first = await create('a');
    for (let i = 0; i < 40; i++) {
      await label('a', `${i}`);
      await label('a', null);
    }
    const { resourceVersion } = await running(list());
    const old = follow({ resourceVersion: first.metadata.resourceVersion });
    await running(old.done);
    expect([old.seen, old.state.error]).toEqual([[], expect.objectContaining({ reason: 'Expired' })]);
    const ahead = follow({ resourceVersion: String(Number(resourceVersion) + 100) });
    await running(ahead.done);
    expect([ahead.seen, ahead.state.error]).toEqual([[], expect.objectContaining({ reason: 'Timeout' })]);
  });

  it('with a selector sends objects that start to match as added, and those that stop to match as deleted', async () => {
    await create('a', { app: 'x' });
    await create('b', { app: 'y' });
    const { resourceVersion } = await running(list());
    const watch = follow({ resourceVersion, labelSelector: 'app=x' });
    await settle();
    await label('b', 'x');
    await label('b', 'x2');
    await label('a', 'x');
    await running(server.client.patch('ConfigMap', 'a', { type: 'merge', body: { data: { k: 'v' } } }, { namespace }));
    await remove('b');
    await remove('a');
    await settle();
    expect(watch.seen).toEqual(['ADDED b', 'DELETED b', 'MODIFIED a', 'DELETED a']);
    watch.stop();
    await watch.done;
  });

  it('with a time ends quietly, with a bookmark of how far it has come', async () => {
    const { resourceVersion } = await running(list());
    const watch = follow({ resourceVersion, timeoutSeconds: 30, allowBookmarks: true, labelSelector: 'app=none' });
    await settle();
    const { metadata } = await create('a');
    await running(watch.done);
    expect(watch.seen.at(-1)).toBe('BOOKMARK');
    expect(Number(watch.state.revision)).toBeGreaterThanOrEqual(Number(metadata.resourceVersion));
    expect(watch.state.error).toBeUndefined();
  });
});
