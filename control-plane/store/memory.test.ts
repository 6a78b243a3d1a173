import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../shared/errors.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { MemoryStore } from './memory.ts';
import type { Item, StoreEvent, Txn } from './store.ts';

const keys = ['/a/1', '/a/2', '/a/3', '/b/1'];
const key = fc.constantFrom(...keys);
const write = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('put' as const), key, value: fc.string({ maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.uniqueArray(write, { selector: (one) => one.key, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(4) }) },
);

const formatEvent = (event: StoreEvent): string =>
  event.type === 'put'
    ? `${event.item.revision} ${event.item.key}=${event.item.value}`
    : `${event.revision} -${event.key}`;

/** The events of a watch on a store that no longer changes. */
async function watched(store: MemoryStore, prefix: string, from: number, last: number): Promise<string[]> {
  const lines: string[] = [];
  if (from >= last) return lines;
  for await (const batch of store.watch(prefix, from, new AbortController().signal)) {
    lines.push(...batch.events.map(formatEvent));
    if (batch.revision >= last) break;
  }
  return lines;
}

const reasonOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (error: unknown) => (error instanceof ApiError ? error.reason : String(error)),
  );

describe('the store in memory', () => {
  it('returns every revision since its last compaction unchanged, and watches all changes since', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const store = new MemoryStore({ clock: new VirtualClock() });
        /** Of each revision: the state, and what led to it. */
        const history: { items: Map<string, Item>; events: string[] }[] = [];
        let items = new Map<string, Item>();
        history[1] = { items, events: [] };
        let compacted = 0;
        for (const one of steps) {
          const present = history.length - 1;
          if (one.do === 'compact') {
            const to = Math.max(1, present - one.back);
            await store.compact(to);
            compacted = Math.max(compacted, to);
            continue;
          }
          const revision = present + 1;
          const next = new Map(items);
          const events: string[] = [];
          for (const change of one.writes) {
            const before = next.get(change.key);
            if (change.type === 'put') {
              next.set(change.key, {
                key: change.key,
                value: change.value,
                revision,
                created: before?.created ?? revision,
              });
              events.push(`${revision} ${change.key}=${change.value}`);
            } else if (next.delete(change.key)) events.push(`${revision} -${change.key}`);
          }
          expect(await store.txn({ guards: [], writes: one.writes })).toEqual({
            ok: true,
            revision: events.length > 0 ? revision : present,
          });
          if (events.length === 0) continue;
          items = next;
          history[revision] = { items, events };
        }
        const last = history.length - 1;
        await expect(store.compact(last + 1)).rejects.toMatchObject({ reason: 'Timeout' });
        expect(await reasonOf(store.list('/', { revision: last + 1 }))).toBe('Timeout');
        for (let at = 1; at <= last; at++) {
          if (at < compacted) {
            expect(await reasonOf(store.list('/', { revision: at }))).toBe('Expired');
            expect(await reasonOf(watched(store, '/', at, last))).toBe('Expired');
            continue;
          }
          const all = keys.flatMap((one) => history[at]?.items.get(one) ?? []);
          expect((await store.list('/', { revision: at })).items).toEqual(all);
          expect((await store.list('/a/', { revision: at, after: '/a/1' })).items.map((item) => item.key)).toEqual(
            all.map((item) => item.key).filter((one) => one > '/a/1' && one < '/b'),
          );
          const later = history.slice(at + 1).flatMap(({ events }) => events);
          expect(await watched(store, '/', at, last)).toEqual(later);
          expect(await watched(store, '/b/', at, last)).toEqual(later.filter((line) => line.includes('/b/')));
        }
        for (const one of keys) expect((await store.get(one)).item).toEqual(items.get(one));
      }),
      { numRuns: 60 },
    );
  });

  it('sends a watch at most a thousand events at a time, unless one revision has more', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    const put = (count: number): Txn => ({
      guards: [],
      writes: Array.from({ length: count }, (_, i) => ({ type: 'put', key: `/k/${i}`, value: '' })),
    });
    for (let i = 0; i < 12; i++) await store.txn(put(100));
    const sizes: number[] = [];
    for await (const batch of store.watch('/', 1, new AbortController().signal)) {
      sizes.push(batch.events.length);
      if (batch.revision === 13) break;
    }
    expect(sizes).toEqual([1_000, 200]);
  });

  it('reports progress to a watch when nothing under its prefix has changed', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    const watch = store.watch('/a/', 1, new AbortController().signal)[Symbol.asyncIterator]();
    const next = watch.next();
    await store.txn({ guards: [], writes: [{ type: 'put', key: '/b/1', value: '' }] });
    expect((await next).value).toEqual({ revision: 2, events: [] });
  });

  it('ends a lease when it is not renewed in time, and deletes its keys at one revision', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    const lease = await store.grantLease(10);
    const put = (name: string): Txn => ({ guards: [], writes: [{ type: 'put', key: name, value: '', lease }] });
    await store.txn(put('/b'));
    await store.txn(put('/a'));
    await clock.advance(6_000);
    expect(await store.keepAlive(lease)).toBe(true);
    await clock.advance(9_999);
    expect((await store.list('/')).items).toHaveLength(2);
    const { revision } = await store.get('/');
    await clock.advance(1);
    expect(await watched(store, '/', revision, revision + 1)).toEqual([`${revision + 1} -/a`, `${revision + 1} -/b`]);
    expect([await store.keepAlive(lease), (await store.get('/')).revision]).toEqual([false, revision + 1]);
    const revoked = await store.grantLease(10);
    await store.revokeLease(revoked);
    await clock.advance(20_000);
    expect((await store.get('/')).revision).toBe(revision + 1);
  });

  it('moves a key from one lease to another with a write that names the other', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    const [one, other] = [await store.grantLease(10), await store.grantLease(10)];
    for (const lease of [one, other]) {
      await store.txn({ guards: [], writes: [{ type: 'put', key: '/a', value: lease, lease }] });
    }
    await store.revokeLease(one);
    expect((await store.get('/a')).item?.value).toBe(other);
    await store.txn({ guards: [], writes: [{ type: 'delete', key: '/a' }] });
    await store.txn({ guards: [], writes: [{ type: 'put', key: '/a', value: 'free' }] });
    await store.revokeLease(other);
    expect((await store.get('/a')).item?.value).toBe('free');
  });

  it('writes nothing of a transaction that names an expired lease, nor of the others sent with it', async () => {
    const store = new MemoryStore({ clock: new VirtualClock() });
    const good: Txn = { guards: [], writes: [{ type: 'put', key: '/a', value: '' }] };
    const bad: Txn = { guards: [], writes: [{ type: 'put', key: '/b', value: '', lease: '99' }] };
    expect(await reasonOf(store.txns([good, bad]))).toBe('NotFound');
    expect((await store.list('/')).items).toEqual([]);
    const refused: Txn = { guards: [{ key: '/x', revision: 7 }], writes: bad.writes };
    expect(await store.txns([good, refused])).toMatchObject([{ ok: true }, { ok: false }]);
  });

  it('refuses every call after a close, and its leases no longer expire', async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore({ clock });
    const lease = await store.grantLease(10);
    await store.close();
    const calls = [
      store.get('/'),
      store.list('/'),
      store.txn({ guards: [], writes: [] }),
      store.txns([]),
      store.grantLease(1),
      store.keepAlive(lease),
      store.revokeLease(lease),
      store.compact(1),
      watched(store, '/', 0, 1),
    ];
    expect(new Set(await Promise.all(calls.map(reasonOf)))).toEqual(new Set(['ServiceUnavailable']));
    await clock.advance(20_000);
  });
});
