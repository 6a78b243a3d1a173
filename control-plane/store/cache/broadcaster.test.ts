import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/errors.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { Broadcaster, type CacheBatch, type CacheEvent } from './broadcaster.ts';

const change = (kind: Kind, revision: number, cost = 1, name = `${kind}-${revision}`): CacheEvent => ({
  type: 'MODIFIED',
  kind,
  key: name,
  object: { apiVersion: 'v1', kind, metadata: { name } } as KubeObject,
  revision,
  cost,
});
const settle = () => new Promise((resolve) => setImmediate(resolve));

function setup(window = 10) {
  const broadcaster = new Broadcaster(window);
  broadcaster.restart(1, []);
  const publish = (revision: number, ...kinds: Kind[]) =>
    broadcaster.publish(
      kinds.map((kind, i) => change(kind, revision, 1, `${revision}.${i}`)),
      revision,
    );
  /** A reader that takes a batch only when the test asks for it; `received` has the revision and the events of each. */
  const reader = (kinds: Kind[], from: number | undefined, now: number, maxBuffered?: number) => {
    const stop = new AbortController();
    const subscription = broadcaster.follow(kinds, from, now, { ...(maxBuffered ? { maxBuffered } : {}) }, stop.signal);
    const batches = subscription.batches();
    const received: [number, string[]][] = [];
    let state = 'idle';
    const read = async (): Promise<void> => {
      state = 'waits';
      batches.next().then(
        ({ done, value }) => {
          state = done ? 'over' : 'idle';
          if (!done) received.push([value.revision, value.events.map(({ key }) => key)]);
        },
        (error: unknown) => {
          state = error instanceof ApiError ? error.reason : String(error);
        },
      );
      await settle();
    };
    return { received, read, stop, close: () => subscription.close(), state: () => state };
  };
  return { broadcaster, publish, reader };
}

describe('a subscription of the broadcaster', () => {
  it('gets the changes of its kinds in order, together with all pending ones, and the revision that they reach', async () => {
    const { publish, reader } = setup();
    const pods = reader(['Pod'], undefined, 1);
    await pods.read();
    expect(pods.state()).toBe('waits');
    publish(2, 'Node');
    publish(3, 'Pod');
    publish(4, 'Pod', 'Node', 'Pod');
    await settle();
    await pods.read();
    expect(pods.received).toEqual([[4, ['3.0', '4.0', '4.2']]]);
    publish(5, 'Node');
    await settle();
    expect(pods.state()).toBe('waits');
    publish(6, 'Pod');
    await settle();
    expect(pods.received[1]).toEqual([6, ['6.0']]);
  });

  it('to several kinds gets each change once', async () => {
    const { publish, reader } = setup();
    const both = reader(['Pod', 'Node', 'Pod'], undefined, 1);
    publish(2, 'Pod', 'Node');
    await both.read();
    expect(both.received).toEqual([[2, ['2.0', '2.1']]]);
  });

  it('from a revision gets the changes after it, and an immediate answer if there are none', async () => {
    const { publish, reader } = setup();
    publish(2, 'Pod');
    publish(3, 'Node');
    publish(4, 'Pod');
    publish(5, 'Node');
    const after2 = reader(['Pod'], 2, 5);
    const after4 = reader(['Pod'], 4, 5);
    const now = reader(['Node'], 5, 5);
    for (const one of [after2, after4, now]) await one.read();
    expect([after2.received, after4.received, now.state()]).toEqual([[[5, ['4.0']]], [[5, []]], 'waits']);
    publish(6, 'Node', 'Pod');
    await settle();
    await after2.read();
    expect([after2.received[1], now.received]).toEqual([[6, ['6.1']], [[6, ['6.0']]]]);
  });

  it('from a revision that changed several of its objects gets all changes of that revision again', async () => {
    const { publish, reader } = setup();
    publish(2, 'Pod', 'Node', 'Pod');
    publish(3, 'Pod');
    const pods = reader(['Pod'], 2, 3);
    const nodes = reader(['Node'], 2, 3);
    await pods.read();
    await nodes.read();
    expect([pods.received, nodes.received]).toEqual([[[3, ['2.0', '2.2', '3.0']]], [[3, []]]]);
  });

  it('ends by its signal, waiting or not, and when the broadcaster restarts', async () => {
    const { broadcaster, reader } = setup();
    const [waits, idle, expired] = [
      reader(['Pod'], undefined, 1),
      reader(['Pod'], undefined, 1),
      reader(['Pod'], undefined, 1),
    ];
    await waits.read();
    waits.stop.abort();
    await settle();
    idle.stop.abort();
    await idle.read();
    expect([waits.state(), idle.state()]).toEqual(['over', 'over']);
    await expired.read();
    broadcaster.restart(9, []);
    await settle();
    expect(expired.state()).toBe('Expired');
  });
});

describe('the broadcaster', () => {
  it('cannot be subscribed to from before its window', async () => {
    const { broadcaster, publish, reader } = setup(3);
    expect(() => reader(['Pod'], 0, 1)).toThrow(
      expect.objectContaining({ reason: 'Expired', message: 'too old resource version: 0 (1)' }),
    );
    for (const revision of [2, 3, 4]) publish(revision, 'Pod');
    expect(broadcaster.oldest).toBe(1);
    publish(5, 'Pod');
    expect(broadcaster.oldest).toBe(2);
    expect(() => reader(['Pod'], 1, 5)).toThrow(ApiError);
    const from2 = reader(['Pod'], 2, 5);
    await from2.read();
    expect(from2.received).toEqual([[5, ['3.0', '4.0', '5.0']]]);
  });

  it('cannot be subscribed to from a revision of which a change was dropped, but from the next one', () => {
    const { broadcaster, publish, reader } = setup(3);
    publish(2, 'Pod', 'Node');
    publish(3, 'Pod');
    publish(4, 'Pod');
    expect(broadcaster.oldest).toBe(3);
    expect(() => reader(['Pod'], 2, 4)).toThrow(ApiError);
    expect(() => reader(['Pod'], 3, 4)).not.toThrow();
    publish(5, 'Pod');
    expect(broadcaster.oldest).toBe(3);
  });

  it('drops all earlier changes on a restart, and knows whether its newest revision changed several objects', async () => {
    const { broadcaster, publish, reader } = setup();
    publish(2, 'Pod');
    broadcaster.restart(7, [change('Pod', 7, 1, 'x'), change('Node', 7, 1, 'y'), change('Pod', 7, 1, 'z')]);
    expect(broadcaster.oldest).toBe(7);
    expect(() => reader(['Pod'], 6, 7)).toThrow(ApiError);
    const pods = reader(['Pod'], 7, 7);
    await pods.read();
    expect(pods.received).toEqual([[7, ['x', 'z']]]);
    const small = new Broadcaster(2);
    small.restart(7, [change('Pod', 7), change('Pod', 7, 1, 'other')]);
    small.publish([change('Pod', 8)], 8);
    expect(small.oldest).toBe(8);
    const single = new Broadcaster(1);
    single.restart(7, [change('Pod', 7)]);
    single.publish([change('Pod', 8)], 8);
    expect(single.oldest).toBe(7);
  });

  it('ends a subscription with Expired when it falls behind by more than its limit, the window, or 4,096 by default', async () => {
    const { publish, reader } = setup(10);
    const [three, all] = [reader(['Pod'], undefined, 1, 3), reader(['Pod'], undefined, 1, 100)];
    for (let revision = 2; revision <= 4; revision++) publish(revision, 'Pod');
    await three.read();
    expect(three.received).toHaveLength(1);
    for (let revision = 5; revision <= 8; revision++) publish(revision, 'Pod');
    await three.read();
    expect(three.state()).toBe('Expired');
    for (let revision = 9; revision <= 12; revision++) publish(revision, 'Pod');
    await all.read();
    expect(all.state()).toBe('Expired');
    const wide = setup(10_000);
    const [fits, late] = [wide.reader(['Pod'], undefined, 1), wide.reader(['Pod'], undefined, 1)];
    for (let revision = 2; revision <= 4_097; revision++) wide.publish(revision, 'Pod');
    await fits.read();
    expect(fits.received[0]?.[1]).toHaveLength(4_096);
    wide.publish(4_098, 'Pod');
    await late.read();
    expect(late.state()).toBe('Expired');
  });

  it('lets a subscription start from before the window when all changes it needs are kept', async () => {
    const { publish, reader } = setup(3);
    const nodes = reader(['Node'], undefined, 1);
    publish(2, 'Node');
    for (let revision = 3; revision <= 4; revision++) publish(revision, 'Pod');
    await nodes.read();
    expect(nodes.received).toEqual([[4, ['2.0']]]);
    for (let revision = 5; revision <= 20; revision++) publish(revision, 'Pod');
    publish(21, 'Node');
    await nodes.read();
    expect(nodes.received[1]).toEqual([21, ['21.0']]);
  });

  it('returns about a MiB at a time, never part of a revision, and then the rest', async () => {
    const { broadcaster, reader } = setup(100);
    // What it has taken of them counts no more towards what may wait.
    const pods = reader(['Pod'], undefined, 1, 5);
    const half = 600 * 1024;
    const events = (revision: number, count: number) =>
      Array.from({ length: count }, (_, i) => change('Pod', revision, half, `${revision}.${i}`));
    broadcaster.publish([...events(2, 1), ...events(3, 3), ...events(4, 1)], 4);
    broadcaster.publish([change('Node', 5)], 5);
    for (let i = 0; i < 2; i++) await pods.read();
    expect(pods.received).toEqual([
      [3, ['2.0', '3.0', '3.1', '3.2']],
      [5, ['4.0']],
    ]);
    await pods.read();
    expect(pods.state()).toBe('waits');
  });

  it('keeps at most 64 MiB of changes, but always the last one', () => {
    const { broadcaster } = setup(100);
    const mib = 1024 * 1024;
    for (let revision = 2; revision <= 5; revision++)
      broadcaster.publish([change('Pod', revision, 16 * mib)], revision);
    expect(broadcaster.oldest).toBe(1);
    broadcaster.publish([change('Pod', 6, 1)], 6);
    expect(broadcaster.oldest).toBe(2);
    broadcaster.publish([change('Pod', 7, 100 * mib)], 7);
    expect(broadcaster.oldest).toBe(6);
    broadcaster.publish([change('Pod', 8, 1)], 8);
    expect(broadcaster.oldest).toBe(7);
    broadcaster.restart(9, []);
    for (let revision = 10; revision <= 13; revision++)
      broadcaster.publish([change('Pod', revision, 16 * mib)], revision);
    expect(broadcaster.oldest).toBe(9);
  });

  it('reports the revision once to subscribers without changes', async () => {
    const { broadcaster, publish, reader } = setup();
    const [idle, busy, current] = [
      reader(['Node'], undefined, 1),
      reader(['Pod'], undefined, 1),
      reader(['Node'], undefined, 2),
    ];
    await idle.read();
    publish(2, 'Pod');
    broadcaster.sendProgress(2);
    await settle();
    await busy.read();
    await current.read();
    expect([idle.received, busy.received, current.state()]).toEqual([[[2, []]], [[2, ['2.0']]], 'waits']);
    broadcaster.sendProgress(2);
    await idle.read();
    expect(idle.state()).toBe('waits');
  });

  it('drops a closed subscription', async () => {
    const { publish, reader, broadcaster } = setup();
    const pods = reader(['Pod'], undefined, 1, 2);
    await pods.read();
    expect(getEventListeners(pods.stop.signal, 'abort')).toHaveLength(1);
    pods.close();
    expect(getEventListeners(pods.stop.signal, 'abort')).toHaveLength(0);
    publish(2, 'Pod');
    broadcaster.sendProgress(2);
    await settle();
    expect(pods.state()).toBe('waits');
  });
});

it('a batch of the broadcaster is synced and does not belong to an initial state', async () => {
  const { broadcaster, publish } = setup();
  const batches: CacheBatch[] = [];
  const stop = new AbortController();
  const subscription = broadcaster.follow(['Pod'], undefined, 1, {}, stop.signal);
  publish(2, 'Pod');
  for await (const batch of subscription.batches()) {
    batches.push(batch);
    stop.abort();
  }
  expect(batches).toMatchObject([{ initial: false, synced: true }]);
});
