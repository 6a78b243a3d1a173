import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { StoreEvent } from '../../control-plane/store/store.ts';
import { ApiError } from '../../shared/errors.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { BrakedStore, writesTo } from './braked-store.ts';

/** A braked store of its own, with a watch that writes down what it is shown. */
function setup() {
  const clock = new VirtualClock();
  const store = new BrakedStore(new MemoryStore({ clock }));
  const put = (key: string, value = '') => store.txn({ guards: [], writes: [{ type: 'put', key, value }] });
  const follow = (from = 1) => {
    const stop = new AbortController();
    const seen: string[] = [];
    let error: unknown;
    const done = (async () => {
      for await (const batch of store.watch('/', from, stop.signal)) seen.push(...batch.events.map(keyOf));
    })().catch((reason: unknown) => {
      error = reason;
    });
    return { seen, done, stop: () => stop.abort(), error: () => error };
  };
  return { clock, store, put, follow, settle: () => clock.advance(0) };
}

const keyOf = (event: StoreEvent): string => (event.type === 'put' ? event.item.key : event.key);

describe('a braked watch', () => {
  it('without a command delivers all, and ends quietly by its signal', async () => {
    const { put, follow, settle, store } = setup();
    const watch = follow();
    await put('/a');
    await settle();
    expect([watch.seen, store.watches.running]).toEqual([['/a'], 1]);
    watch.stop();
    await watch.done;
    expect([watch.error(), store.watches.running]).toEqual([undefined, 0]);
  });

  it('that is held delivers nothing until the release, then all of it in order', async () => {
    const { put, follow, settle, store } = setup();
    const watch = follow();
    const release = store.watches.hold();
    for (const key of ['/a', '/b', '/c']) await put(key);
    await settle();
    expect(watch.seen).toEqual([]);
    release();
    await settle();
    expect(watch.seen).toEqual(['/a', '/b', '/c']);
    watch.stop();
  });

  it('can be ended while it is held, by its signal and by the brake', async () => {
    const { put, follow, settle, store } = setup();
    const [first, second] = [follow(), follow()];
    store.watches.hold();
    await put('/a');
    await settle();
    first.stop();
    await first.done;
    store.watches.overrun();
    await second.done;
    expect([first.seen, first.error(), second.seen]).toEqual([[], undefined, []]);
    expect(second.error()).toMatchObject({ reason: 'Expired' });
  });

  it('loses the events of a stretch, and is ended with Expired when the stretch ends', async () => {
    const { put, follow, settle, store } = setup();
    const watch = follow();
    const end = store.watches.lose((event) => keyOf(event) !== '/kept');
    await put('/lost');
    await put('/kept');
    await settle();
    expect(watch.seen).toEqual(['/kept']);
    end();
    await watch.done;
    expect(watch.error()).toMatchObject({ reason: 'Expired' });
  });

  it('that missed nothing survives the end of a stretch', async () => {
    const { put, follow, settle, store } = setup();
    const watch = follow();
    store.watches.lose(() => false)();
    store.watches.lose()();
    await put('/a');
    await settle();
    expect([watch.seen, watch.error()]).toEqual([['/a'], undefined]);
    watch.stop();
  });

  it('that is cut can be resumed where it was, unless watches are refused', async () => {
    const { put, follow, settle, store } = setup();
    const watch = follow();
    store.watches.cut();
    await watch.done;
    expect(watch.error()).toMatchObject({ reason: 'ServiceUnavailable' });
    await put('/a');
    const open = store.watches.refuse(new ApiError('Timeout', 'not now'));
    const refused = follow();
    await refused.done;
    expect(refused.error()).toMatchObject({ reason: 'Timeout' });
    open();
    const again = follow();
    await settle();
    expect(again.seen).toEqual(['/a']);
    again.stop();
  });
});

describe('a braked list', () => {
  it('shows an older state or less, but not to one who names the revision', async () => {
    const { put, store } = setup();
    await put('/a');
    const { revision } = await store.get('/a');
    await put('/b');
    const keys = async (at?: number) => (await store.list('/', { revision: at })).items.map(({ key }) => key);
    store.listRevision = revision;
    expect([await keys(), await keys(revision + 1)]).toEqual([['/a'], ['/a', '/b']]);
    store.listRevision = undefined;
    store.listed = ({ key }) => key !== '/a';
    expect(await keys()).toEqual(['/b']);
    store.listed = undefined;
    expect(await keys()).toEqual(['/a', '/b']);
  });
});

describe('a braked write', () => {
  it('fails undone or done, as often as asked, and only where it matches', async () => {
    const { put, store } = setup();
    store.writes.fail({ match: writesTo('/a'), times: 2 });
    store.writes.fail({ match: writesTo('/b'), applied: true, error: new ApiError('ServiceUnavailable', 'gone') });
    await put('/other');
    await expect(put('/a')).rejects.toMatchObject({ reason: 'Timeout' });
    const both = ['/other', '/a'].map((key) => ({ guards: [], writes: [{ type: 'delete', key } as const] }));
    await expect(store.txns(both)).rejects.toMatchObject({ reason: 'Timeout' });
    expect((await store.get('/other')).item).toBeDefined();
    await expect(put('/b', 'done')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    expect((await store.get('/a')).item).toBeUndefined();
    expect((await store.get('/b')).item?.value).toBe('done');
    await put('/a', 'at last');
    expect((await store.get('/a')).item?.value).toBe('at last');
  });

  it('waits before it is done, or before its answer', async () => {
    const { put, store, settle } = setup();
    const before = store.writes.hold({ match: writesTo('/a') });
    const after = store.writes.hold({ match: writesTo('/b'), applied: true });
    const answered: string[] = [];
    const writing = ['/a', '/b'].map((key) => put(key).then(() => answered.push(key)));
    await before.arrived;
    await after.arrived;
    expect([(await store.get('/a')).item, (await store.get('/b')).item?.key, answered]).toEqual([undefined, '/b', []]);
    after.release();
    await settle();
    expect(answered).toEqual(['/b']);
    before.release();
    await Promise.all(writing);
    expect((await store.get('/a')).item?.key).toBe('/a');
  });
});
