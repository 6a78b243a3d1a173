import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { keepEtcdSpace } from '../../control-plane/store/etcd/space.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';

const quota = 16 * 1024 * 1024;

describe.skipIf(!hasEtcd())('the space of etcd', () => {
  let etcd: TestEtcd;
  let store: EtcdStore;
  beforeAll(async () => {
    etcd = await startTestEtcd({ flags: [`--quota-backend-bytes=${quota}`] });
    store = etcd.open();
  });
  afterAll(async () => {
    await store?.close();
    await etcd?.cleanup();
  });

  const write = (value: string) => store.txn({ guards: [], writes: [{ type: 'put', key: '/test/a', value }] });
  async function writes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await write(String(i).padEnd(1024 * 1024, 'x'));
  }

  it('runs out by history alone: writes are refused by name, deletions are not, and it recovers', async () => {
    await expect(writes(100)).rejects.toMatchObject({
      reason: 'InsufficientStorage',
      message: 'etcd: mvcc: database space exceeded',
    });
    await store.txn({ guards: [], writes: [{ type: 'delete', key: '/test/b' }] });
    await expect(write('small')).rejects.toMatchObject({ reason: 'InsufficientStorage' });
    const stop = new AbortController();
    const deps = { endpoints: [etcd.endpoint], quota, everyMs: 20, clock: systemClock, log: silentLog };
    const running = keepEtcdSpace(deps, stop.signal);
    try {
      await eventually(() => write('small'), { timeoutMs: 20_000, what: 'etcd did not recover' });
      // More than the quota many times over: history is forgotten as it comes.
      for (let round = 0; round < 20; round++) {
        await eventually(() => writes(3).then(() => true), { timeoutMs: 20_000, what: `round ${round}` });
      }
    } finally {
      stop.abort();
      await running;
    }
  });
});
