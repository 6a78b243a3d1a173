import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import { silentLog } from '../../../shared/log.ts';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, grpcError, header, keyValue, neverSent, unavailable } from '../../../test/support/fake-etcd.ts';
import type { StoreBatch, Txn } from '../store.ts';
import { EtcdStore } from './etcd-store.ts';

const compactedAway = () => grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted');
const stillToCome = () => grpcError(11, '11 OUT_OF_RANGE: etcdserver: mvcc: required revision is a future revision');
const noLease = () => grpcError(5, '5 NOT_FOUND: etcdserver: requested lease not found');

function setup() {
  const clock = new VirtualClock();
  const etcd = new FakeEtcd();
  const observed: [string, boolean, number][] = [];
  const random = { bytes: (count: number) => new Uint8Array(count) };
  const observe = (operation: string, ok: boolean, seconds: number) => void observed.push([operation, ok, seconds]);
  const store = new EtcdStore({ endpoints: [], clock, random, log: silentLog, client: etcd.client, observe });
  /** Runs a call to its end, whatever it waits for; the reason when it failed. */
  const settled = async <T>(call: Promise<T>): Promise<T | string> => {
    let result: { value: T | string } | undefined;
    call.then(
      (value) => {
        result = { value };
      },
      (error: unknown) => {
        result = { value: error instanceof ApiError ? error.reason : String(error) };
      },
    );
    await clock.advanceUntil(() => result !== undefined, 60_000, 5);
    if (!result) throw new Error('the call did not end');
    return result.value;
  };
  /** Has the next calls of this name fail, then answer. */
  const failing = (name: string, errors: (() => Error)[], answer: object): void => {
    etcd.answers[name] = () => {
      const error = errors.shift();
      if (error) throw error();
      return answer;
    };
  };
  return { clock, etcd, store, observed, settled, failing };
}

const put = (key: string, more: object = {}): Txn => ({
  guards: [],
  writes: [{ type: 'put', key, value: 'x', ...more }],
});
const done = (revision: number) => ({ header: header(revision), succeeded: true, responses: [] });

describe('a call of etcd', () => {
  it('has five seconds for all attempts, and gives each the remaining time', async () => {
    const { clock, etcd, store, settled, observed } = setup();
    const wall = clock.now();
    expect(await settled(store.get('/a'))).toBe('ServiceUnavailable');
    const tries = etcd.named('range');
    expect(new Set(tries.map(({ deadline }) => deadline))).toEqual(new Set([wall + 5_000]));
    // 10, 20, 40, 80 and 160 ms by half of a doubling wait, then 250 each.
    expect(tries.length).toBeGreaterThan(20);
    expect(tries.length).toBeLessThan(30);
    expect(observed).toEqual([['get', false, expect.closeTo(4.9, 0)]]);
    expect(clock.monotonic()).toBeLessThanOrEqual(5_000);
  });

  it('that reads is retried while etcd is unavailable, and counts as one', async () => {
    const { clock, etcd, store, settled, failing, observed } = setup();
    failing('range', [unavailable, neverSent], { header: header(7), kvs: [keyValue('/a', 'x', 5, 3)] });
    expect(await settled(store.get('/a'))).toEqual({
      item: { key: '/a', value: 'x', revision: 5, created: 3 },
      revision: 7,
    });
    expect([etcd.named('range').length, observed]).toEqual([3, [['get', true, 0.03]]]);
    expect(etcd.named('range')[0]?.request).toEqual({ key: Buffer.from('/a') });
    expect(clock.monotonic()).toBeGreaterThanOrEqual(30);
    failing('range', [], { header: header(8), kvs: [] });
    expect(await settled(store.get('/a'))).toEqual({ item: undefined, revision: 8 });
  });

  it('that writes is retried only if it was never sent, because it may have been made', async () => {
    const { etcd, store, settled, failing } = setup();
    failing('txn', [neverSent, unavailable], done(7));
    expect(await settled(store.txn(put('/a')))).toBe('ServiceUnavailable');
    expect(etcd.named('txn')).toHaveLength(2);
    failing('txn', [neverSent, neverSent], done(8));
    expect(await settled(store.txn(put('/a')))).toEqual({ ok: true, revision: 8 });
    failing('leaseGrant', [unavailable], { ID: '5' });
    expect(await settled(store.grantLease(10))).toBe('ServiceUnavailable');
    failing('leaseRevoke', [unavailable], {});
    expect(await settled(store.revokeLease('5'))).toBe('ServiceUnavailable');
    expect([etcd.named('leaseGrant').length, etcd.named('leaseRevoke').length]).toEqual([1, 1]);
  });

  it('that etcd refused is not retried', async () => {
    const { etcd, store, settled, failing } = setup();
    failing('range', [() => grpcError(4, '4 DEADLINE_EXCEEDED: Deadline exceeded')], { header: header(1), kvs: [] });
    expect(await settled(store.get('/a'))).toBe('Timeout');
    expect(etcd.named('range')).toHaveLength(1);
  });

  it('ends with the store, also between two attempts', async () => {
    const { clock, etcd, store, settled } = setup();
    const call = store.get('/a');
    await clock.advance(100);
    await store.close();
    expect(await settled(call)).toBe('ServiceUnavailable');
    const { length } = etcd.calls;
    expect(await settled(store.get('/a'))).toBe('ServiceUnavailable');
    expect(await settled(store.txn(put('/a')))).toBe('ServiceUnavailable');
    expect(await settled(store.keepAlive('1'))).toBe('ServiceUnavailable');
    await store.close();
    expect([etcd.calls.length, etcd.closed, etcd.keepalives.length]).toEqual([length, 1, 0]);
  });

  it('in progress while the store closes reports that, whatever its error', async () => {
    const { etcd, store, settled } = setup();
    let fail: (error: Error) => void = () => undefined;
    etcd.answers.txn = () => new Promise((_, reject) => (fail = reject));
    const call = store.txn(put('/a'));
    await store.close();
    fail(grpcError(13, '13 INTERNAL: whatever'));
    expect(await settled(call.catch((error: Error) => error.message))).toBe('the store is closed');
  });
});

describe('a request to etcd', () => {
  it('for a transaction compares revisions, writes, and reads the guarded keys when a comparison fails', async () => {
    const { etcd, store, settled } = setup();
    etcd.answers.txn = () => ({
      header: header(9),
      succeeded: false,
      responses: [{ response_range: { kvs: [keyValue('/a', 'there', 4, 2)] } }, { response_range: { kvs: [] } }],
    });
    const txn: Txn = {
      guards: [
        { key: '/a', revision: 3 },
        { key: '/b', revision: 0 },
      ],
      writes: [
        { type: 'put', key: '/a', value: 'x' },
        { type: 'put', key: '/b', value: 'y', lease: '77' },
        { type: 'put', key: '/c', value: 'z', keepLease: true },
        { type: 'delete', key: '/d' },
      ],
    };
    expect(await settled(store.txn(txn))).toEqual({
      ok: false,
      revision: 9,
      current: new Map([['/a', { key: '/a', value: 'there', revision: 4, created: 2 }]]),
    });
    const key = (text: string) => Buffer.from(text);
    expect(etcd.named('txn')[0]?.request).toEqual({
      compare: [
        { target: 'Mod', result: 'Equal', key: key('/a'), mod_revision: 3 },
        { target: 'Mod', result: 'Equal', key: key('/b'), mod_revision: 0 },
      ],
      success: [
        { request_put: { key: key('/a'), value: key('x'), lease: 0 } },
        { request_put: { key: key('/b'), value: key('y'), lease: '77' } },
        { request_put: { key: key('/c'), value: key('z'), ignore_lease: true } },
        { request_delete_range: { key: key('/d') } },
      ],
      failure: [{ request_range: { key: key('/a') } }, { request_range: { key: key('/b') } }],
    });
  });

  it('for several transactions nests them, each with its own outcome', async () => {
    const { etcd, store, settled } = setup();
    etcd.answers.txn = () => ({
      header: header(9),
      succeeded: true,
      responses: [
        { response_txn: { succeeded: true, responses: [] } },
        { response_txn: { succeeded: false, responses: [{ response_range: { kvs: [keyValue('/b', 'b', 4)] } }] } },
      ],
    });
    const results = await settled(store.txns([put('/a'), { guards: [{ key: '/b', revision: 1 }], writes: [] }]));
    expect(results).toMatchObject([
      { ok: true, revision: 9 },
      { ok: false, revision: 9 },
    ]);
    const write = { request_put: { key: Buffer.from('/a'), value: Buffer.from('x'), lease: 0 } };
    expect(etcd.named('txn')[0]?.request).toMatchObject({
      success: [
        { request_txn: { compare: [], success: [write] } },
        { request_txn: { compare: [{ key: Buffer.from('/b') }], success: [] } },
      ],
    });
    expect(etcd.named('txn')).toHaveLength(1);
    await expect(
      store.txns([put('/a'), { guards: [], writes: [...put('/a').writes, ...put('/a').writes] }]),
    ).rejects.toMatchObject({
      reason: 'BadRequest',
    });
    expect(etcd.named('txn')).toHaveLength(1);
    expect(await settled(store.txns([]))).toEqual([]);
  });

  it('for a transaction has the time that remains after the wait for others', async () => {
    const { clock, etcd, store, settled } = setup();
    const answers: (() => void)[] = [];
    etcd.answers.txn = () => new Promise((resolve) => answers.push(() => resolve(done(9))));
    const wall = clock.now();
    const calls = ['/a', '/b', '/c'].map((key) => store.txn(put(key)));
    await clock.advance(2_000);
    for (let i = 0; i < 3; i++) {
      answers.shift()?.();
      await clock.advance(0);
    }
    expect(await Promise.all(calls.map(settled))).toHaveLength(3);
    expect(etcd.named('txn').map(({ deadline }) => deadline - wall)).toEqual([5_000, 5_000, 5_000]);
  });
});

describe('leases and compactions of etcd', () => {
  it('are granted, renewed and revoked; revoking an expired lease succeeds', async () => {
    const { clock, etcd, store, settled, failing } = setup();
    failing('leaseGrant', [], { ID: '77' });
    expect(await settled(store.grantLease(30))).toBe('77');
    expect(etcd.named('leaseGrant')[0]?.request).toEqual({ TTL: 30 });
    const renewal = store.keepAlive('77');
    await clock.advance(0);
    etcd.keepalives[0]?.say({ ID: '77', TTL: '30' });
    expect(await renewal).toBe(true);
    failing('leaseRevoke', [noLease], {});
    expect(await settled(store.revokeLease('77'))).toBeUndefined();
    expect(etcd.named('leaseRevoke')[0]?.request).toEqual({ ID: '77' });
  });

  it('renew a lease again when the stream broke, within the deadline of the call', async () => {
    const { clock, etcd, store, settled } = setup();
    const renewal = store.keepAlive('77');
    await clock.advance(0);
    etcd.keepalives[0]?.break();
    await clock.advance(100);
    etcd.keepalives[1]?.say({ ID: '77', TTL: '30' });
    expect(await settled(renewal)).toBe(true);
    const silent = store.keepAlive('77');
    const began = clock.monotonic();
    expect(await settled(silent)).toBe('Timeout');
    expect(clock.monotonic() - began).toBeLessThanOrEqual(5_010);
  });

  it('treat an earlier compaction as done, and refuse one of a future revision', async () => {
    const { etcd, store, settled, failing } = setup();
    failing('compact', [compactedAway], {});
    expect(await settled(store.compact(5))).toBeUndefined();
    failing('compact', [unavailable], {});
    expect(await settled(store.compact(6))).toBeUndefined();
    expect(etcd.named('compact').map(({ request }) => request.revision)).toEqual([5, 6, 6]);
    failing('compact', [stillToCome], {});
    failing('range', [], { header: header(50), kvs: [] });
    expect(await settled(store.compact(99))).toBe('Timeout');
  });
});

describe('a watch of etcd', () => {
  const event = (revision: number) => ({ type: 'Put', kv: keyValue('/a/x', '', revision) });
  const says = (events: object[], more: object = {}) => ({
    header: header(99),
    created: false,
    canceled: false,
    compact_revision: '0',
    cancel_reason: '',
    fragment: false,
    events,
    ...more,
  });
  const watching = (store: EtcdStore, from: number) => {
    const stop = new AbortController();
    const batches: StoreBatch[] = [];
    const end = { over: false, error: undefined as unknown };
    const done = (async () => {
      for await (const batch of store.watch('/a/', from, stop.signal)) batches.push(batch);
    })()
      .catch((error: unknown) => {
        end.error = error;
      })
      .finally(() => {
        end.over = true;
      });
    return { stop, end, done, revisions: () => batches.map(({ revision }) => revision) };
  };
  const starts = (etcd: FakeEtcd) => etcd.watches.map(({ written }) => written[0]?.create_request.start_revision);

  it('continues after its last event, however often its stream breaks', async () => {
    const { clock, etcd, store } = setup();
    const watch = watching(store, 5);
    await clock.advance(0);
    etcd.watches[0]?.say(says([event(6), event(8)]));
    await clock.advance(0);
    etcd.watches[0]?.break();
    await clock.advance(10);
    etcd.watches[1]?.break();
    await clock.advance(20);
    etcd.watches[2]?.say(says([event(8), event(9)]));
    await clock.advance(0);
    expect([starts(etcd), watch.revisions(), watch.end.over]).toEqual([[5, 8, 8], [8, 9], false]);
    watch.stop.abort();
    await watch.done;
    expect(watch.end.error).toBeUndefined();
  });

  it('reconnects with a growing, bounded delay that an event resets', async () => {
    const { clock, etcd, store } = setup();
    const watch = watching(store, 5);
    await clock.advance(0);
    const waits: number[] = [];
    for (let i = 0; i < 9; i++) {
      const began = clock.monotonic();
      etcd.watches.at(-1)?.break();
      await clock.advanceUntil(() => etcd.watches.length === i + 2, 10_000, 5);
      waits.push(clock.monotonic() - began);
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    etcd.watches.at(-1)?.say(says([event(6)]));
    await clock.advance(0);
    etcd.watches.at(-1)?.break();
    await clock.advance(10);
    expect(etcd.watches).toHaveLength(11);
    watch.stop.abort();
    await watch.done;
  });

  it('ends with Expired when a revision it needs was compacted, and is not retried', async () => {
    const { clock, etcd, store } = setup();
    const watch = watching(store, 5);
    await clock.advance(0);
    etcd.watches[0]?.say(says([], { canceled: true, compact_revision: '8' }));
    await clock.advance(10_000);
    expect([watch.end.error, etcd.watches.length]).toEqual([expect.objectContaining({ reason: 'Expired' }), 1]);
  });

  it('ends without an error by its signal, also between two streams, and with ServiceUnavailable when the store closes', async () => {
    const { clock, etcd, store } = setup();
    const [quiet, other, waiting] = [watching(store, 5), watching(store, 5), watching(store, 5)];
    await clock.advance(0);
    etcd.watches[2]?.break();
    await clock.advance(0);
    quiet.stop.abort();
    waiting.stop.abort();
    await Promise.all([quiet.done, waiting.done]);
    expect([quiet.end.error, waiting.end.error, other.end.over]).toEqual([undefined, undefined, false]);
    await store.close();
    await other.done;
    expect(other.end.error).toMatchObject({ reason: 'ServiceUnavailable' });
    const late = watching(store, 5);
    await late.done;
    expect(late.end.error).toMatchObject({ reason: 'ServiceUnavailable' });
    expect(etcd.watches).toHaveLength(3);
  });
});
