import { beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../control-plane/store/store.ts';
import { isApiError } from '../../../shared/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { eventKey, put, remove, type StoreSubject, told } from './subject.ts';

export function watchTests(subject: StoreSubject): void {
  const { ok, follow } = subject;
  let store: Store;
  beforeEach(() => {
    store = subject.store;
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
}
