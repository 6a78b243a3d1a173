import { beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../control-plane/store/store.ts';
import { eventually } from '../../support/eventually.ts';
import { eventKey, put, type StoreSubject } from './subject.ts';

export function leaseTests(subject: StoreSubject): void {
  const { ok, value, follow } = subject;
  let store: Store;
  beforeEach(() => {
    store = subject.store;
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
}
