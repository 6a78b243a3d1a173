import { describe, expect, test } from 'vitest';
import { counterStore } from '../../../test/support/contributions.ts';
import type { PendingTxn } from './batch.ts';

type CounterStore = Awaited<ReturnType<typeof counterStore>>;

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
const commit = ({ queues }: CounterStore, pending: PendingTxn, queue = 'one') => queues.commit(queue, pending);

/** All that wait in a queue while its first transaction is under way, and how many writes each transaction came to. */
async function queued(counter: CounterStore, pending: readonly PendingTxn[]) {
  const held = counter.store.writes.hold();
  const first = commit(counter, counter.pending('first'));
  await held.arrived;
  const waiting = pending.map((one) => commit(counter, one).catch((error: Error) => error));
  held.release();
  await first;
  const answers = await Promise.all(waiting);
  return { answers, writes: counter.txns.slice(1).map((txn) => txn.writes.length) };
}

describe('a queue', () => {
  test('puts transactions that come while one is under way into one transaction', async () => {
    const counter = await counterStore();
    const { answers, writes } = await queued(
      counter,
      names(5).map((name) => counter.pending(name)),
    );
    expect(answers).toEqual(answers.map(() => expect.objectContaining({ ok: true })));
    // Theirs and the counter.
    expect(writes).toEqual([6]);
    expect(await counter.count()).toBe(6);
  });

  test('builds on its last transaction, whatever the cache shows', async () => {
    const counter = await counterStore({ limit: 4 });
    const { answers, writes } = await queued(
      counter,
      names(5).map((name) => counter.pending(name)),
    );
    expect(answers.filter((one) => one instanceof Error)).toHaveLength(2);
    expect(writes).toEqual([4]);
    expect(await counter.count()).toBe(4);
  });

  test('does not hold up another queue', async () => {
    const counter = await counterStore();
    const held = counter.store.writes.hold();
    const first = commit(counter, counter.pending('a'));
    await held.arrived;
    await expect(commit(counter, counter.pending('b'), 'other')).resolves.toMatchObject({ ok: true });
    held.release();
    await first;
    expect(await counter.count()).toBe(2);
  });

  test('that has been empty uses the state after its last transaction, even if the cache does not have it', async () => {
    const counter = await counterStore();
    for (const name of ['a', 'b', 'c']) await commit(counter, counter.pending(name));
    expect([await counter.count(), counter.txns.length]).toEqual([3, 3]);
    // An idle queue that many others have come after knows nothing any more, and loses a race before it knows again.
    for (let at = 0; at < 1_001; at++) {
      await commit(counter, counter.pending(`${at}`, { contribute: () => [] }), `other ${at}`);
    }
    const before = counter.txns.length;
    await commit(counter, counter.pending('d'));
    expect([await counter.count(), counter.txns.length - before]).toEqual([4, 2]);
  });

  test('that has been empty accepts new ones', async () => {
    const counter = await counterStore();
    for (const name of ['a', 'b'])
      await expect(commit(counter, counter.pending(name))).resolves.toMatchObject({ ok: true });
    expect(await counter.count()).toBe(2);
  });

  test('returns a transaction’s own error, and continues', async () => {
    const counter = await counterStore();
    const broken = counter.pending('b', {
      contribute() {
        throw new Error('no');
      },
    });
    const { answers } = await queued(counter, [counter.pending('a'), broken, counter.pending('c')]);
    expect(answers).toEqual([{ ok: true, revision: expect.any(Number) }, new Error('no'), expect.anything()]);
    await expect(commit(counter, counter.pending('d'))).resolves.toMatchObject({ ok: true });
    expect(await counter.count()).toBe(4);
  });

  test('returns the error for a whole batch when the store cannot be read, and continues', async () => {
    const counter = await counterStore({ limit: 1 });
    await counter.set(1);
    await counter.see();
    const { store } = counter.deps as unknown as { store: { get: unknown } };
    const { get } = store;
    store.get = () => Promise.reject(new Error('out of reach'));
    const answers = ['a', 'b'].map((name) =>
      commit(counter, counter.pending(name)).catch((error: Error) => error.message),
    );
    expect(await Promise.all(answers)).toEqual(['out of reach', 'out of reach']);
    store.get = get;
    await counter.set(0);
    await expect(commit(counter, counter.pending('c'))).resolves.toMatchObject({ ok: true });
  });

  test('skips an aborted transaction', async () => {
    const counter = await counterStore();
    const signal = AbortSignal.abort(new Error('went away'));
    await expect(commit(counter, counter.pending('a', { signal }))).rejects.toThrow('went away');
    expect(counter.txns).toHaveLength(0);
  });

  test('holds at most 5,000; one more is to come again in a second', async () => {
    const counter = await counterStore();
    const held = counter.store.writes.hold();
    const first = commit(counter, counter.pending('first'));
    await held.arrived;
    const entry = () => counter.pending('free', { txn: { guards: [], writes: [] }, contribute: () => [] });
    const waiting = names(5_000).map(() => commit(counter, entry()));
    await expect(commit(counter, entry())).rejects.toMatchObject({
      reason: 'TooManyRequests',
      details: { retryAfterSeconds: 1 },
    });
    held.release();
    await Promise.all([first, ...waiting]);
  });
});

describe('a batch of a queue', () => {
  test('stays within the limits of one store transaction', async () => {
    const counter = await counterStore();
    const { answers, writes } = await queued(
      counter,
      names(200).map((name) => counter.pending(name)),
    );
    expect(answers.every((one) => !(one instanceof Error) && one.ok)).toBe(true);
    expect(writes.length).toBeLessThanOrEqual(4);
    for (const txn of counter.txns) {
      expect(txn.guards.length).toBeLessThanOrEqual(128);
      expect(txn.writes.length).toBeLessThanOrEqual(128);
    }
    expect(await counter.count()).toBe(201);
  });

  test('is bounded by its guards, too', async () => {
    const counter = await counterStore();
    const guarding = (name: string) => {
      const one = counter.pending(name);
      const guards = names(50).map((one) => ({ key: `/free/${name}/${one}`, revision: 0 }));
      return { ...one, txn: { ...one.txn, guards } };
    };
    await queued(counter, names(4).map(guarding));
    expect(counter.txns.slice(1).map(({ guards }) => guards.length)).toEqual([51, 51, 51, 51]);
  });

  test('is also bounded by the number of its writes', async () => {
    const counter = await counterStore();
    const writing = (name: string) => {
      const one = counter.pending(name);
      const writes = names(50).map((one) => ({ type: 'put' as const, key: `/many/${name}/${one}`, value: '{}' }));
      return { ...one, txn: { ...one.txn, writes } };
    };
    const { writes } = await queued(counter, names(4).map(writing));
    expect(writes).toEqual([51, 51, 51, 51]);
  });

  test('is bounded by the size of its writes; a large one is sent alone', async () => {
    const counter = await counterStore();
    const sized = (name: string, chars: number) => counter.pending(name, { value: JSON.stringify('x'.repeat(chars)) });
    const kibi = 1024;
    const { writes } = await queued(counter, [
      ...names(2).map((name) => sized(name, 300 * kibi)),
      sized('large', 700 * kibi),
      ...['a', 'b'].map((name) => sized(name, 200 * kibi)),
    ]);
    expect(writes).toEqual([2, 2, 2, 3]);
  });
});
