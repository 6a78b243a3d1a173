import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Item, Store, StoreBatch, StoreEvent, Txn, TxnResult } from '../../control-plane/store/store.ts';
import { isApiError } from '../../shared/errors.ts';
import { eventually } from '../support/eventually.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets `ms` milliseconds pass, where time is virtual; absent: real time passes by itself. */
  readonly advance?: (ms: number) => Promise<void>;
  readonly cleanup: () => Promise<void>;
}

const put = (key: string, value: string, revision?: number, lease?: string): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'put', key, value, lease }],
});
const remove = (key: string, revision?: number): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'delete', key }],
});
const eventKey = (event: StoreEvent): string => (event.type === 'put' ? event.item.key : event.key);
const told = (event: StoreEvent): string =>
  event.type === 'put'
    ? `${event.item.revision} ${event.item.key}=${event.item.value}`
    : `${event.revision} -${event.key}`;

/** What every Store promises. `make` gives a store whose prefix `/test/` is empty. */
export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`the store contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: Store;
    let stop: AbortController;
    beforeEach(async () => {
      subject = await make();
      store = subject.store;
      stop = new AbortController();
      setMaxListeners(0, stop.signal);
    });
    afterEach(async () => {
      stop.abort();
      await subject.cleanup();
    });

    const ok = async (txn: Txn): Promise<number> => {
      const result = await store.txn(txn);
      if (!result.ok) throw new Error(`refused: ${JSON.stringify([...result.current])}`);
      return result.revision;
    };
    const value = async (key: string): Promise<string | undefined> => (await store.get(key)).item?.value;
    /** Gathers what a watch tells, until the test ends. */
    const follow = (prefix: string, from: number, signal: AbortSignal = stop.signal) => {
      const batches: StoreBatch[] = [];
      const result = { batches, events: () => batches.flatMap((batch) => batch.events), error: undefined as unknown };
      const done = (async () => {
        for await (const batch of store.watch(prefix, from, signal)) batches.push(batch);
      })().catch((error: unknown) => {
        result.error = error;
      });
      return Object.assign(result, { done });
    };

    describe('guarded writes', () => {
      it('creates a key once: a second create is refused and is shown what is there', async () => {
        const revision = await ok(put('/test/a', 'one', 0));
        const again = await store.txn(put('/test/a', 'two', 0));
        expect(again.ok).toBe(false);
        const item: Item = { key: '/test/a', value: 'one', revision, created: revision };
        expect(again.ok === false && again.current.get('/test/a')).toEqual(item);
        expect((await store.get('/test/a')).item).toEqual(item);
      });

      it('refuses an update whose revision has moved on, and tells the present state', async () => {
        const first = await ok(put('/test/a', 'one', 0));
        const second = await ok(put('/test/a', 'two', first));
        const late = await store.txn(put('/test/a', 'three', first));
        expect(late).toMatchObject({ ok: false });
        expect(late.ok === false && late.current.get('/test/a')).toEqual({
          key: '/test/a',
          value: 'two',
          revision: second,
          created: first,
        });
      });

      it('deletes only at the revision that was named, and an absent key is no item', async () => {
        const first = await ok(put('/test/a', 'one', 0));
        const second = await ok(put('/test/a', 'two', first));
        expect((await store.txn(remove('/test/a', first))).ok).toBe(false);
        expect(await value('/test/a')).toBe('two');
        const gone = await ok(remove('/test/a', second));
        expect(gone).toBe(second + 1);
        expect((await store.get('/test/a')).item).toBeUndefined();
        const refused = await store.txn(put('/test/a', 'x', second));
        expect(refused.ok === false && refused.current.size).toBe(0);
      });

      it('gives a key that is made again a new creation revision', async () => {
        const first = await ok(put('/test/a', 'one', 0));
        await ok(remove('/test/a', first));
        const again = await ok(put('/test/a', 'two', 0));
        expect((await store.get('/test/a')).item).toMatchObject({ created: again, revision: again });
      });

      it('keeps text as it is: newlines, emoji, and what is long', async () => {
        const text = `line\n"quoted" – ü 🚣 ${'x'.repeat(200_000)}`;
        await ok(put('/test/text', text, 0));
        expect(await value('/test/text')).toBe(text);
      });

      it('loses no increment when many writers guard their updates', async () => {
        await ok(put('/test/counter', '0', 0));
        const writer = async (): Promise<void> => {
          for (let done = 0; done < 10; ) {
            const { item } = await store.get('/test/counter');
            if (!item) throw new Error('the counter is gone');
            const result = await store.txn(put('/test/counter', String(Number(item.value) + 1), item.revision));
            if (result.ok) done++;
          }
        };
        await Promise.all(Array.from({ length: 8 }, writer));
        expect(await value('/test/counter')).toBe('80');
      });
    });

    describe('transactions', () => {
      it('write all keys at one revision, or none', async () => {
        const revision = await ok({
          guards: [
            { key: '/test/a', revision: 0 },
            { key: '/test/b', revision: 0 },
          ],
          writes: [
            { type: 'put', key: '/test/a', value: '1' },
            { type: 'put', key: '/test/b', value: '2' },
          ],
        });
        const { items } = await store.list('/test/');
        expect(items.map((item) => [item.key, item.revision])).toEqual([
          ['/test/a', revision],
          ['/test/b', revision],
        ]);
        const refused = await store.txn({
          guards: [
            { key: '/test/a', revision },
            { key: '/test/c', revision: 7 },
          ],
          writes: [
            { type: 'put', key: '/test/a', value: 'changed' },
            { type: 'put', key: '/test/c', value: 'made' },
            { type: 'delete', key: '/test/b' },
          ],
        });
        expect(refused.ok).toBe(false);
        expect((await store.list('/test/')).items.map((item) => item.value)).toEqual(['1', '2']);
      });

      it('take 128 guards and writes, and refuse more', async () => {
        const txn = (count: number): Txn => ({
          guards: Array.from({ length: count }, (_, i) => ({ key: `/test/${i}`, revision: 0 })),
          writes: Array.from({ length: count }, (_, i) => ({ type: 'put', key: `/test/${i}`, value: '' })),
        });
        await expect(store.txn(txn(129))).rejects.toMatchObject({ reason: 'BadRequest' });
        await ok(txn(128));
        expect((await store.list('/test/')).items).toHaveLength(128);
      });

      it('refuse to write a key twice', async () => {
        const writes = [
          { type: 'put', key: '/test/a', value: '1' } as const,
          { type: 'delete', key: '/test/a' } as const,
        ];
        await expect(store.txn({ guards: [], writes })).rejects.toMatchObject({ reason: 'BadRequest' });
      });

      it('that come in a batch hold or fail each by itself', async () => {
        const taken = await ok(put('/test/3', 'taken', 0));
        const results = await store.txns(Array.from({ length: 300 }, (_, i) => put(`/test/${i}`, `new ${i}`, 0)));
        expect(results).toHaveLength(300);
        expect(results.map((result) => result.ok)).toEqual(Array.from({ length: 300 }, (_, i) => i !== 3));
        const third = results[3] as TxnResult;
        expect(third.ok === false && third.current.get('/test/3')).toMatchObject({ value: 'taken', revision: taken });
        for (const i of [0, 4, 150, 299]) {
          const { item } = await store.get(`/test/${i}`);
          expect(item).toMatchObject({ value: `new ${i}`, revision: results[i]?.revision });
        }
        expect(await store.txns([])).toEqual([]);
      });

      it('that come in a batch see what earlier ones of it wrote', async () => {
        const a = await ok(put('/test/a', '1', 0));
        const results = await store.txns([
          put('/test/a', '2', a),
          { guards: [{ key: '/test/a', revision: a }], writes: [{ type: 'put', key: '/test/b', value: 'stale' }] },
          put('/test/a', '3', a),
        ]);
        expect(results.map((result) => result.ok)).toEqual([true, false, false]);
        expect(await value('/test/a')).toBe('2');
        expect(await value('/test/b')).toBeUndefined();
      });

      it('that come at the same time hold or fail each by itself, and a bad one spoils no other', async () => {
        const taken = await ok(put('/test/3', 'taken', 0));
        const bad = put('/test/bad', 'x', 0, '123456');
        const all = [
          ...Array.from({ length: 200 }, (_, i) => put(`/test/${i}`, `new ${i}`, 0)),
          bad,
          put('/test/0', 'late', 0),
        ];
        const results = await Promise.allSettled(all.map((txn) => store.txn(txn)));
        const held = results.map((result) => result.status === 'fulfilled' && result.value.ok);
        expect(held).toEqual(all.map((_, i) => i !== 3 && i < 200));
        expect(results[200]).toMatchObject({ status: 'rejected', reason: { reason: 'NotFound' } });
        expect(results[3]).toMatchObject({ status: 'fulfilled', value: { ok: false } });
        expect((await store.get('/test/3')).item).toMatchObject({ value: 'taken', revision: taken });
        for (let i = 0; i < 200; i++) {
          if (i === 3) continue;
          const result = results[i];
          const revision = result?.status === 'fulfilled' ? result.value.revision : 0;
          expect((await store.get(`/test/${i}`)).item).toMatchObject({
            value: `new ${i}`,
            revision,
            created: revision,
          });
        }
      });

      it('of the greatest width can come in a batch', async () => {
        const wide = (name: string): Txn => ({
          guards: [],
          writes: Array.from({ length: 128 }, (_, i) => ({ type: 'put', key: `/test/${name}/${i}`, value: '' })),
        });
        const results = await store.txns([wide('x'), put('/test/y', '', 0), wide('z')]);
        expect(results.every((result) => result.ok)).toBe(true);
        expect((await store.list('/test/')).items).toHaveLength(257);
      });
    });

    describe('lists', () => {
      it('are in key order and hold only what is under the prefix', async () => {
        for (const key of ['/test/b/2', '/test/a-b/1', '/test/a/1', '/test/b/10', '/tesu', '/tess'])
          await ok(put(key, key));
        const page = await store.list('/test/');
        expect(page.items.map((item) => item.key)).toEqual(['/test/a-b/1', '/test/a/1', '/test/b/10', '/test/b/2']);
        expect(page.remaining).toBe(0);
        expect((await store.list('/test/b/')).items).toHaveLength(2);
        expect(await store.list('/test/nothing/')).toMatchObject({ items: [], remaining: 0 });
        for (const key of ['/tesu', '/tess']) await ok(remove(key));
      });

      it('read in pages by size end a page behind the item that fills it, whatever follows it', async () => {
        // What is sealed is packed before.
        const large = randomBytes(225_000).toString('base64');
        const keys = Array.from({ length: 100 }, (_, i) => `/test/${String(i).padStart(3, '0')}`);
        for (const [i, key] of keys.entries()) await ok(put(key, i >= 40 ? large : 'small', 0));
        const seen: string[] = [];
        let pages = 0;
        for (let page = await store.list('/test/', { size: 1_000_000 }); ; pages++) {
          seen.push(...page.items.map((item) => item.key));
          const before = page.items.slice(0, -1).reduce((sum, item) => sum + item.value.length, 0);
          // At most what one request brings beyond it: etcd itself knows no sizes.
          expect(before).toBeLessThan(20_000_000);
          expect(page.remaining).toBe(keys.length - seen.length);
          if (page.remaining === 0) break;
          page = await store.list('/test/', { size: 1_000_000, after: seen.at(-1), revision: page.revision });
        }
        expect(seen).toEqual(keys);
        expect(pages).toBeGreaterThan(0);
        expect((await store.list('/test/')).items).toHaveLength(keys.length);
      });

      it('read page by page show one revision while writes go on, with the count of what remains', async () => {
        const keys = Array.from({ length: 25 }, (_, i) => `/test/${String(i).padStart(2, '0')}`);
        for (const key of keys) await ok(put(key, 'old', 0));
        const first = await store.list('/test/', { limit: 10 });
        expect(first.items).toHaveLength(10);
        expect(first.remaining).toBe(15);
        await ok(remove('/test/11'));
        await ok(put('/test/12', 'new'));
        await ok(put('/test/005', 'in between'));
        await ok(put('/test/125', 'in between'));
        const seen = [...first.items];
        for (let page = first; page.remaining > 0; ) {
          page = await store.list('/test/', { limit: 10, after: seen.at(-1)?.key, revision: first.revision });
          expect(page.revision).toBe(first.revision);
          seen.push(...page.items);
          expect(page.remaining).toBe(25 - seen.length);
        }
        expect(seen.map((item) => item.key)).toEqual(keys);
        expect(seen.every((item) => item.value === 'old')).toBe(true);
        expect((await store.list('/test/')).items).toHaveLength(26);
      });

      it('without a limit read everything, however much it is', async () => {
        const big = 'x'.repeat(10_000);
        for (let from = 0; from < 1200; from += 100) {
          await store.txns(Array.from({ length: 100 }, (_, i) => put(`/test/${from + i}`, big, 0)));
        }
        const page = await store.list('/test/');
        expect(page.items).toHaveLength(1200);
        expect(page.items.every((item) => item.value.length === 10_000)).toBe(true);
        expect(page.remaining).toBe(0);
      });

      it('at a revision that was compacted are Expired, at one still to come Timeout', async () => {
        const old = await ok(put('/test/a', '1'));
        const now = await ok(put('/test/a', '2'));
        await store.compact(now);
        await expect(store.list('/test/', { revision: old })).rejects.toMatchObject({ reason: 'Expired' });
        expect((await store.list('/test/', { revision: now })).items).toHaveLength(1);
        await expect(store.list('/test/', { revision: now + 1000 })).rejects.toMatchObject({ reason: 'Timeout' });
        await store.compact(old);
      });
    });

    describe('watches', () => {
      it('send every change after a revision, in order, and continue with new ones', async () => {
        const start = await ok(put('/test/a', '0'));
        const expected: string[] = [];
        const write = async (i: number): Promise<void> => {
          const key = `/test/${i % 7}`;
          if (i % 5 === 4) expected.push(`${await ok(remove(key))} -${key}`);
          else expected.push(`${await ok(put(key, String(i)))} ${key}=${i}`);
        };
        for (let i = 0; i < 7; i++) expected.push(`${await ok(put(`/test/${i}`, 'x'))} /test/${i}=x`);
        for (let i = 0; i < 4; i++) await write(i);
        const watch = follow('/test/', start);
        for (let i = 5; i < 8; i++) await write(i);
        await eventually(() => watch.events().length === expected.length, { what: 'not all events came' });
        expect(watch.events().map(told)).toEqual(expected);
        expect(watch.error).toBeUndefined();
      });

      it('send the creation revision of a written key', async () => {
        const { revision } = await store.get('/test/a');
        const watch = follow('/test/', revision);
        const created = await ok(put('/test/a', '1'));
        await ok(put('/test/a', '2'));
        await eventually(() => watch.events().length === 2);
        expect(watch.events().map((event) => event.type === 'put' && event.item.created)).toEqual([created, created]);
      });

      it('never split a revision over two batches', async () => {
        const { revision } = await store.get('/test/a');
        const early = follow('/test/', revision);
        for (let i = 0; i < 20; i++) {
          await ok({
            guards: [],
            writes: Array.from({ length: 100 }, (_, k) => ({
              type: 'put',
              key: `/test/${k}`,
              value: 'v'.repeat(3000),
            })),
          });
        }
        const late = follow('/test/', revision);
        for (const watch of [early, late]) {
          await eventually(() => watch.events().length >= 2000);
          expect(watch.events()).toHaveLength(2000);
          for (const batch of watch.batches) expect(batch.events.length % 100).toBe(0);
          const revisions = watch.batches.map((batch) => batch.revision);
          expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
          for (const { revision: at, events } of watch.batches) {
            const last = events.at(-1);
            if (last) expect(at).toBeGreaterThanOrEqual(last.type === 'put' ? last.item.revision : last.revision);
          }
        }
      });

      it('send only changes under their prefix', async () => {
        const { revision } = await store.get('/test/a');
        const watch = follow('/test/a/', revision);
        await ok(put('/test/a', 'no'));
        await ok(put('/test/a0', 'no'));
        await ok(put('/test/a/x', 'yes'));
        await eventually(() => watch.events().length > 0);
        expect(watch.events().map(eventKey)).toEqual(['/test/a/x']);
      });

      it('from a compacted revision are Expired', async () => {
        const old = await ok(put('/test/a', '1'));
        await ok(put('/test/a', '2'));
        const now = await ok(remove('/test/a'));
        await store.compact(now);
        const watch = follow('/test/', old);
        await watch.done;
        expect(isApiError(watch.error, 'Expired')).toBe(true);
        const fresh = follow('/test/', now);
        await ok(put('/test/b', '1'));
        await eventually(() => fresh.events().length > 0);
        expect(fresh.events().map(eventKey)).toEqual(['/test/b']);
      });

      it('that have seen everything are not disturbed by a compaction', async () => {
        const start = await ok(put('/test/a', '1'));
        const watch = follow('/test/', start);
        const seen = await ok(put('/test/a', '2'));
        await eventually(() => watch.events().length === 1);
        await store.compact(seen);
        await ok(put('/test/a', '3'));
        await eventually(() => watch.events().length === 2);
        expect(watch.error).toBeUndefined();
      });

      it('end quietly by their signal', async () => {
        const { revision } = await store.get('/test/a');
        const own = new AbortController();
        const watch = follow('/test/', revision, own.signal);
        await ok(put('/test/a', '1'));
        await eventually(() => watch.events().length === 1);
        own.abort();
        await watch.done;
        expect(watch.error).toBeUndefined();
        const late = follow('/test/', revision, own.signal);
        await late.done;
        expect(late.events()).toEqual([]);
      });

      it('by the dozen all see the same', async () => {
        const { revision } = await store.get('/test/a');
        const watches = Array.from({ length: 24 }, () => follow('/test/', revision));
        for (let i = 0; i < 50; i++) await ok(put(`/test/${i}`, String(i)));
        for (const watch of watches) await eventually(() => watch.events().length === 50);
        const first = watches[0]?.events().map(told);
        for (const watch of watches) expect(watch.events().map(told)).toEqual(first);
      });
    });

    describe('leases', () => {
      /** Lets time pass until `check` holds; fails when it does not within `ms`. */
      const passes = async (ms: number, check: () => boolean | Promise<boolean>): Promise<void> => {
        if (!subject.advance) return void (await eventually(check, { timeoutMs: ms, everyMs: 50 }));
        for (let passed = 0; !(await check()); passed += 100) {
          if (passed > ms) throw new Error(`it did not come to hold within ${ms} ms`);
          await subject.advance(100);
        }
      };

      it('that are not renewed delete their keys, and watches see it', async () => {
        const lease = await store.grantLease(1);
        const revision = await ok(put('/test/leased', 'x', 0, lease));
        await ok(put('/test/free', 'x', 0));
        const watch = follow('/test/', revision);
        await passes(8000, async () => (await value('/test/leased')) === undefined);
        await eventually(() => watch.events().some((event) => event.type === 'delete'));
        expect(watch.events().map(eventKey)).toEqual(['/test/free', '/test/leased']);
        expect(await store.keepAlive(lease)).toBe(false);
        expect(await value('/test/free')).toBe('x');
      });

      it('that are kept alive stay', async () => {
        const lease = await store.grantLease(1);
        await ok(put('/test/leased', 'x', 0, lease));
        const began = performance.now();
        let beats = 0;
        await passes(8000, async () => {
          if (!(await store.keepAlive(lease))) throw new Error('the lease was lost');
          return ++beats > 30 && (subject.advance !== undefined || performance.now() - began > 3000);
        });
        expect(await value('/test/leased')).toBe('x');
        await store.revokeLease(lease);
        expect(await value('/test/leased')).toBeUndefined();
      });

      it('keep a key that is written with `keepLease`, and lose one that is written without', async () => {
        const lease = await store.grantLease(60);
        await ok(put('/test/kept', 'x', 0, lease));
        await ok(put('/test/freed', 'x', 0, lease));
        await ok({ guards: [], writes: [{ type: 'put', key: '/test/kept', value: 'y', keepLease: true }] });
        await ok({ guards: [], writes: [{ type: 'put', key: '/test/freed', value: 'y' }] });
        expect(await value('/test/kept')).toBe('y');
        await store.revokeLease(lease);
        expect(await value('/test/kept')).toBeUndefined();
        expect(await value('/test/freed')).toBe('y');
      });

      it('that are revoked take all their keys at once', async () => {
        const lease = await store.grantLease(60);
        await ok(put('/test/1', 'x', 0, lease));
        const last = await ok(put('/test/2', 'x', 0, lease));
        const watch = follow('/test/', last);
        await store.revokeLease(lease);
        expect((await store.list('/test/')).items).toEqual([]);
        await eventually(() => watch.events().length === 2);
        expect(watch.batches.filter((batch) => batch.events.length > 0)).toHaveLength(1);
        expect(await store.keepAlive(lease)).toBe(false);
        await store.revokeLease(lease);
      });

      it('release a key that is written without them', async () => {
        const lease = await store.grantLease(60);
        await ok(put('/test/1', 'x', 0, lease));
        await ok(put('/test/1', 'y'));
        await store.revokeLease(lease);
        expect(await value('/test/1')).toBe('y');
      });

      it('that never were are refused: no write, and false when kept alive', async () => {
        await expect(store.txn(put('/test/1', 'x', 0, '123456'))).rejects.toMatchObject({ reason: 'NotFound' });
        expect(await value('/test/1')).toBeUndefined();
        expect(await store.keepAlive('123456')).toBe(false);
      });

      it('by the hundred are each kept alive by itself', async () => {
        const leases = await Promise.all(Array.from({ length: 100 }, () => store.grantLease(60)));
        const lost = leases[42] as string;
        await store.revokeLease(lost);
        const alive = await Promise.all(leases.map((lease) => store.keepAlive(lease)));
        expect(alive).toEqual(leases.map((lease) => lease !== lost));
      });
    });

    it('closed, it refuses calls and ends its watches with ServiceUnavailable', async () => {
      const { revision } = await store.get('/test/a');
      const watch = follow('/test/', revision);
      await ok(put('/test/a', '1'));
      await eventually(() => watch.events().length === 1);
      await store.close();
      await watch.done;
      expect(isApiError(watch.error, 'ServiceUnavailable')).toBe(true);
      await expect(store.get('/test/a')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await expect(store.txn(put('/test/a', '2'))).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await expect(store.keepAlive('1')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
      await store.close();
    });
  });
}
