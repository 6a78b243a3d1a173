import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../control-plane/store/store.ts';
import { put, remove, type StoreSubject } from './subject.ts';

export function listTests(subject: StoreSubject): void {
  const { ok } = subject;
  let store: Store;
  beforeEach(() => {
    store = subject.store;
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
}
