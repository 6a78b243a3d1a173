import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../shared/virtual-clock.ts';
import { FakeEtcd, type FakeStream, header, keyValue, unavailable } from '../../../test/support/fake-etcd.ts';
import type { StoreBatch, StoreEvent } from '../store.ts';
import { watchOnce } from './watch.ts';

const formatEvent = (event: StoreEvent): string =>
  event.type === 'put'
    ? `${event.item.revision} ${event.item.key}=${event.item.value}`
    : `${event.revision} -${event.key}`;

const put = (revision: number, key: string) => ({ type: 'Put', kv: keyValue(key, `v${revision}`, revision) });
const gone = (revision: number, key: string) => ({ type: 'Delete', kv: keyValue(key, '', revision, 0) });
const response = (events: object[], more: object = {}) => ({
  header: header(1_000),
  created: false,
  canceled: false,
  compact_revision: '0',
  cancel_reason: '',
  fragment: false,
  events,
  ...more,
});
const created = response([], { created: true });

async function setup(last = 5) {
  const clock = new VirtualClock();
  const etcd = new FakeEtcd();
  const stop = new AbortController();
  const batches: StoreBatch[] = [];
  const result = { error: undefined as unknown, over: false };
  const done = (async () => {
    for await (const batch of watchOnce({ client: etcd.client, clock }, '/a/', last, stop.signal)) batches.push(batch);
  })()
    .catch((error: unknown) => {
      result.error = error;
    })
    .finally(() => {
      result.over = true;
    });
  await clock.advance(0);
  const stream = etcd.watches[0] as FakeStream<{ create_request: Record<string, unknown> }>;
  const seen = (): [number, string[]][] => batches.map(({ revision, events }) => [revision, events.map(formatEvent)]);
  return { clock, etcd, stop, result, done, stream, seen, settle: () => clock.advance(0) };
}

describe('a watch stream of etcd', () => {
  it('requests all keys under the prefix, including the last revision', async () => {
    const { stream } = await setup(5);
    expect(stream.written).toEqual([
      {
        create_request: {
          key: Buffer.from('/a/'),
          range_end: Buffer.from('/a0'),
          start_revision: 5,
          progress_notify: true,
          fragment: true,
        },
      },
    ]);
    const { stream: fresh } = await setup(0);
    expect(fresh.written[0]?.create_request).toMatchObject({ start_revision: 1 });
  });

  it('leaves out events sent before, and sends the others with the revision of the last event', async () => {
    const { stream, seen, settle } = await setup(5);
    stream.say(created);
    stream.say(response([put(5, '/a/x'), put(5, '/a/y')]));
    stream.say(response([put(5, '/a/z'), put(6, '/a/x'), gone(7, '/a/y')]));
    stream.say(response([put(8, '/a/x')]));
    await settle();
    expect(seen()).toEqual([
      [7, ['6 /a/x=v6', '7 -/a/y']],
      [8, ['8 /a/x=v8']],
    ]);
  });

  it('holds the last revision of a fragment back until it is complete', async () => {
    const { stream, seen, settle } = await setup(5);
    stream.say(created);
    stream.say(response([put(6, '/a/1'), put(7, '/a/1')], { fragment: true }));
    await settle();
    expect(seen()).toEqual([[6, ['6 /a/1=v6']]]);
    stream.say(response([put(7, '/a/2')], { fragment: true }));
    stream.say(response([], { fragment: true }));
    await settle();
    expect(seen()).toHaveLength(1);
    stream.say(response([put(7, '/a/3'), put(8, '/a/1')]));
    await settle();
    expect(seen()[1]).toEqual([8, ['7 /a/1=v7', '7 /a/2=v7', '7 /a/3=v7', '8 /a/1=v8']]);
  });

  it('uses the header of a progress notification as progress, never that of a response with events', async () => {
    const { stream, seen, settle } = await setup(5);
    stream.say(created);
    stream.say(response([], { header: header(5) }));
    stream.say(response([put(6, '/a/x')]));
    stream.say(response([], { header: header(9) }));
    stream.say(response([put(10, '/a/x')]));
    await settle();
    expect(seen()).toEqual([
      [6, ['6 /a/x=v6']],
      [9, []],
      [10, ['10 /a/x=v10']],
    ]);
  });

  it.each([
    [{ compact_revision: '8' }, 'Expired'],
    [{ cancel_reason: 'etcdserver: mvcc: required revision has been compacted' }, 'Expired'],
    [{ cancel_reason: 'permission denied' }, 'ServiceUnavailable'],
    [{}, 'ServiceUnavailable'],
  ])('that etcd cancels with %j ends with %s', async (why, reason) => {
    const { stream, result, done } = await setup();
    stream.say(response([], { canceled: true, ...why }));
    await done;
    expect(result.error).toMatchObject({ reason });
    expect(stream.cancels).toBeGreaterThan(0);
  });

  it('ends with ServiceUnavailable when etcd ends it, and with the error when it breaks', async () => {
    const ended = await setup();
    ended.stream.finish();
    await ended.done;
    expect(ended.result.error).toMatchObject({ reason: 'ServiceUnavailable' });
    const broken = await setup();
    broken.stream.say(created);
    await broken.settle();
    broken.stream.break(unavailable());
    await broken.done;
    expect(broken.result.error).toMatchObject({ code: 14 });
  });

  it('is closed when etcd does not confirm it within five seconds, and not later', async () => {
    const { clock, stream, result, done } = await setup();
    await clock.advance(4_999);
    expect(result.over).toBe(false);
    await clock.advance(1);
    await done;
    expect(result.error).toMatchObject({ reason: 'ServiceUnavailable', message: expect.stringContaining('confirm') });
    expect(stream.cancels).toBeGreaterThan(0);
    const confirmed = await setup();
    confirmed.stream.say(created);
    await confirmed.clock.advance(60_000);
    expect(confirmed.result.over).toBe(false);
  });

  it('ends without an error by its signal and closes its stream; none is opened for an aborted signal', async () => {
    const { stop, stream, result, done, etcd, clock } = await setup();
    stop.abort();
    await done;
    expect([result.error, stream.destroyed]).toEqual([undefined, true]);
    for await (const _ of watchOnce({ client: etcd.client, clock }, '/a/', 5, stop.signal)) throw new Error('no batch');
    expect(etcd.watches).toHaveLength(1);
  });

  it('closes its stream when its reader stops', async () => {
    const { clock, etcd, stop } = await setup();
    const reading = (async () => {
      for await (const batch of watchOnce({ client: etcd.client, clock }, '/a/', 5, stop.signal)) return batch.revision;
      return 0;
    })();
    await clock.advance(0);
    etcd.watches[1]?.say(response([put(6, '/a/x')]));
    expect(await reading).toBe(6);
    expect(etcd.watches[1]?.destroyed).toBe(true);
  });
});
