import { beforeEach, describe, expect, it } from 'vitest';
import type { Item, Store, Txn, TxnResult } from '../../../control-plane/store/store.ts';
import { put, remove, type StoreSubject } from './subject.ts';

export function writeTests(subject: StoreSubject): void {
  const { ok, value } = subject;
  let store: Store;
  beforeEach(() => {
    store = subject.store;
  });

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
}
