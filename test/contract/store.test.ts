import { afterAll, beforeAll, describe } from 'vitest';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { storeContract } from './store.ts';

storeContract('memory', async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  return { store, advance: (ms) => clock.advance(ms), cleanup: () => store.close() };
});

describe.skipIf(!hasEtcd())('on a real etcd', () => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await startTestEtcd();
  });
  afterAll(() => etcd.cleanup());

  storeContract('etcd', async () => {
    const store = etcd.open();
    return {
      store,
      cleanup: async () => {
        await store.close();
        const cleaner = etcd.open();
        const { items } = await cleaner.list('/test/');
        await cleaner.txns(items.map(({ key }) => ({ guards: [], writes: [{ type: 'delete', key }] })));
        await cleaner.close();
      },
    };
  });
});
