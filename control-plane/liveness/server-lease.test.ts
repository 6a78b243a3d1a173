import { expect, it } from 'vitest';
import type { Lease } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { objectKey } from '../store/keys.ts';
import { MemoryStore } from '../store/memory.ts';
import { ServerLease, serverOf } from './server-lease.ts';

const identity = { id: 's1', host: 'm1', rest: '192.0.2.1:6443', grpc: '192.0.2.1:6444' };
const key = objectKey(kindNamed('Lease'), 'kube-system', 'apiserver-s1');

it('a server is known by a lease like those of Kubernetes’ API servers, for as long as it lives', async () => {
  const clock = new VirtualClock();
  const store = new MemoryStore({ clock });
  const lease = async (): Promise<Lease | undefined> => {
    const { item } = await store.get(key);
    return item && (JSON.parse(item.value) as Lease);
  };
  const mine = new ServerLease({ store, clock, random: seededRandom(1), log: silentLog }, identity);
  await mine.renew();
  const made = await lease();
  expect(made).toMatchObject({
    metadata: {
      labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': 'm1' },
    },
    spec: { holderIdentity: expect.stringMatching(/^apiserver-s1_[0-9a-f-]{36}$/) },
  });
  expect(made && serverOf(made)).toEqual(identity);

  const stop = new AbortController();
  const running = mine.run(stop.signal);
  await clock.advance(60_000);
  expect(await lease()).toEqual(made);
  await store.txn({ guards: [], writes: [{ type: 'delete', key }] });
  await clock.advance(4_000);
  expect(await lease()).toBeDefined();
  stop.abort();
  await running;
  expect(await lease()).toBeUndefined();

  const cutOff = new ServerLease({ store, clock, random: seededRandom(2), log: silentLog }, identity);
  await cutOff.renew();
  await clock.advance(9_000);
  expect(await lease()).toBeDefined();
  await clock.advance(3_000);
  expect(await lease()).toBeUndefined();
});
