import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, grpcError, header, keyValue } from '../../../test/support/fake-etcd.ts';
import { EtcdStore } from './etcd-store.ts';

const tooManyBytes = () => grpcError(8, '8 RESOURCE_EXHAUSTED: Received message larger than max (5 vs 4)');
const compactedAway = () => grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted');
const stillToCome = () => grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision');

function setup() {
  const etcd = new FakeEtcd();
  const random = { bytes: (count: number) => new Uint8Array(count) };
  const deps = { endpoints: [], clock: new VirtualClock(), random, log: silentLog, client: etcd.client };
  return { etcd, store: new EtcdStore(deps) };
}

/** An etcd with keys `/k/000`… of these sizes whose answers are at most `most` characters long. */
function holding(etcd: FakeEtcd, sizes: readonly number[], most = Number.POSITIVE_INFINITY): void {
  const all = sizes.map((size, i) => ({ key: `/k/${String(i).padStart(3, '0')}`, size }));
  etcd.answers.range = ({ key, limit }) => {
    const from = String(key);
    const rest = all.filter((one) => one.key >= from);
    const page = rest.slice(0, Number(limit));
    if (page.reduce((sum, { size }) => sum + size, 0) > most) throw tooManyBytes();
    const kvs = page.map((one, i) => keyValue(one.key, 'x'.repeat(one.size), i + 1));
    return { header: header(50), kvs, count: `${rest.length}` };
  };
}

describe('a list of etcd', () => {
  const limits = (etcd: FakeEtcd) => etcd.named('range').map(({ request }) => request.limit);

  it('is read in ranges that grow to 256 keys, all at the revision of the first', async () => {
    const { etcd, store } = setup();
    holding(etcd, new Array(900).fill(10));
    const page = await store.list('/k/');
    expect([page.items.length, page.revision, page.remaining]).toEqual([900, 50, 0]);
    expect(new Set(page.items.map(({ key }) => key)).size).toBe(900);
    expect(limits(etcd)).toEqual([16, 32, 64, 128, 256, 256, 256]);
    expect(etcd.named('range').map(({ request }) => request.revision)).toEqual([0, 50, 50, 50, 50, 50, 50]);
    expect(etcd.named('range')[0]?.request).toMatchObject({ key: Buffer.from('/k/'), range_end: Buffer.from('/k0') });
    expect(String(etcd.named('range')[1]?.request.key)).toBe('/k/015\0');
  });

  it('is read in smaller ranges when its values are large', async () => {
    const { etcd, store } = setup();
    const mib = 1024 * 1024;
    holding(etcd, [...new Array(16).fill(mib / 4), ...new Array(40).fill(mib)]);
    expect((await store.list('/k/')).items).toHaveLength(56);
    // 4 MiB in 16 keys: 16 more; then about 4 MiB at a time.
    expect(limits(etcd).slice(0, 4)).toEqual([16, 16, 4, 4]);
  });

  it('requests half as many keys when an answer is too large, down to one', async () => {
    const { etcd, store } = setup();
    holding(etcd, new Array(20).fill(100), 250);
    const page = await store.list('/k/');
    expect([page.items.length, page.remaining]).toEqual([20, 0]);
    expect(limits(etcd).slice(0, 4)).toEqual([16, 8, 4, 2]);
    holding(etcd, [100, 300], 250);
    await expect(store.list('/k/')).rejects.toMatchObject({ reason: 'RequestEntityTooLarge' });
    expect(limits(etcd).at(-1)).toBe(1);
  });

  it('ends at its limit, or after the item that reaches its size, and reports how many remain', async () => {
    const { etcd, store } = setup();
    holding(etcd, new Array(30).fill(100));
    const limited = await store.list('/k/', { limit: 20 });
    expect([limited.items.length, limited.remaining, limits(etcd)]).toEqual([20, 10, [16, 4]]);
    const sized = await store.list('/k/', { size: 1_600 });
    expect([sized.items.length, sized.remaining]).toEqual([16, 14]);
    const larger = await store.list('/k/', { size: 1_601 });
    expect([larger.items.length, larger.remaining]).toEqual([30, 0]);
    const after = await store.list('/k/', { after: '/k/024', revision: 40 });
    expect([after.items[0]?.key, after.items.length, after.revision]).toEqual(['/k/025', 5, 40]);
    const before = await store.list('/k/', { after: '/a' });
    expect([before.items[0]?.key, before.items.length]).toEqual(['/k/000', 30]);
    expect(String(etcd.named('range').at(-2)?.request.key)).toBe('/k/');
    const exact = await store.list('/k/', { after: '/k/' });
    expect(exact.items).toHaveLength(30);
  });

  it('without keys is empty', async () => {
    const { etcd, store } = setup();
    holding(etcd, []);
    expect(await store.list('/k/')).toEqual({ items: [], revision: 50, remaining: 0 });
    etcd.answers.range = () => ({ header: header(50), kvs: [], count: '3' });
    expect(await store.list('/k/')).toMatchObject({ items: [], remaining: 0 });
  });

  it('at a revision that etcd does not have is Expired or too large, in Kubernetes’ words', async () => {
    const { etcd, store } = setup();
    etcd.answers.range = ({ revision }) => {
      if (revision === 3) throw compactedAway();
      if (revision === 99) throw stillToCome();
      return { header: header(50), kvs: [] };
    };
    await expect(store.list('/k/', { revision: 3 })).rejects.toMatchObject({
      reason: 'Expired',
      message: expect.stringContaining('revision 3 '),
    });
    await expect(store.list('/k/', { revision: 99 })).rejects.toMatchObject({
      reason: 'Timeout',
      message: 'Timeout: Too large resource version: 99, current: 50',
    });
    etcd.answers.range = () => {
      throw compactedAway();
    };
    await expect(store.get('/k')).rejects.toMatchObject({
      reason: 'Expired',
      message: expect.stringContaining('etcd'),
    });
  });
});
