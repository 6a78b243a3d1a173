import { afterAll, beforeAll, describe } from 'vitest';
import { EncryptedStore } from '../../control-plane/store/encryption/index.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { Store } from '../../control-plane/store/store.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { hasEtcd, startTestEtcd, type TestEtcd } from '../support/etcd.ts';
import { testRoots } from '../support/root-keys.ts';
import { storeContract } from './store/contract.ts';

/** With everything that the contract writes encrypted. */
const encrypted = (inner: Store): Promise<EncryptedStore> =>
  EncryptedStore.open(inner, { roots: testRoots(), prefixes: ['/test/'], random: systemRandom, log: silentLog });

storeContract('memory', async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  return { store, advance: (ms) => clock.advance(ms), cleanup: () => store.close() };
});

storeContract('encrypted, over memory', async () => {
  const clock = new VirtualClock();
  const store = await encrypted(new MemoryStore({ clock }));
  return { store, advance: (ms) => clock.advance(ms), cleanup: () => store.close() };
});

describe.skipIf(!hasEtcd())('on a real etcd', () => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await startTestEtcd();
  });
  afterAll(() => etcd.cleanup());

  const clean = async (): Promise<void> => {
    const cleaner = etcd.open();
    const { items } = await cleaner.list('/');
    await cleaner.txns(items.map(({ key }) => ({ guards: [], writes: [{ type: 'delete', key }] })));
    await cleaner.close();
  };

  storeContract('etcd', async () => {
    const store = etcd.open();
    return { store, cleanup: () => store.close().then(clean) };
  });

  storeContract('encrypted, over etcd', async () => {
    const store = await encrypted(etcd.open());
    return { store, cleanup: () => store.close().then(clean) };
  });
});
