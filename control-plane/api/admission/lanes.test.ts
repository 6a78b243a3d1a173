import { describe, expect, test } from 'vitest';
import { chargingOf } from '../../../test/support/charging.ts';
import type { Entry } from './charges.ts';

type Charging = Awaited<ReturnType<typeof chargingOf>>;

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);
const commit = ({ lanes, core }: Charging, entry: Entry, lane = 'one') => lanes.commit(core, lane, entry);

/** All that wait in a lane while its first transaction is under way, and how many transactions they came to. */
async function queued(charging: Charging, entries: readonly Entry[]) {
  const held = charging.store.writes.hold();
  const first = commit(charging, charging.entry('first'));
  await held.arrived;
  const waiting = entries.map((entry) => commit(charging, entry).catch((error: Error) => error));
  held.release();
  await first;
  const answers = await Promise.all(waiting);
  return { answers, writes: charging.txns.slice(1).map((txn) => txn.writes.length) };
}

describe('a lane', () => {
  test('puts those who come while one is under way into one transaction', async () => {
    const charging = await chargingOf();
    const { answers, writes } = await queued(
      charging,
      names(5).map((name) => charging.entry(name)),
    );
    expect(answers).toEqual(answers.map(() => expect.objectContaining({ ok: true })));
    // Theirs and the counter.
    expect(writes).toEqual([6]);
    expect(await charging.count()).toBe(6);
  });

  test('builds on its last transaction, whatever the cache shows', async () => {
    const charging = await chargingOf({ limit: 4 });
    const { answers, writes } = await queued(
      charging,
      names(5).map((name) => charging.entry(name)),
    );
    expect(answers.filter((one) => one instanceof Error)).toHaveLength(2);
    expect(writes).toEqual([4]);
    expect(await charging.count()).toBe(4);
  });

  test('does not hold up another lane', async () => {
    const charging = await chargingOf();
    const held = charging.store.writes.hold();
    const first = commit(charging, charging.entry('a'));
    await held.arrived;
    await expect(commit(charging, charging.entry('b'), 'other')).resolves.toMatchObject({ ok: true });
    held.release();
    await first;
    expect(await charging.count()).toBe(2);
  });

  test('that has been empty takes new ones', async () => {
    const charging = await chargingOf();
    for (const name of ['a', 'b'])
      await expect(commit(charging, charging.entry(name))).resolves.toMatchObject({ ok: true });
    expect(await charging.count()).toBe(2);
  });

  test('answers who fails with his own error, and goes on', async () => {
    const charging = await chargingOf();
    const broken = charging.entry('b', {
      ask() {
        throw new Error('no');
      },
    });
    const { answers } = await queued(charging, [charging.entry('a'), broken, charging.entry('c')]);
    expect(answers).toEqual([{ ok: true, revision: expect.any(Number) }, new Error('no'), expect.anything()]);
    await expect(commit(charging, charging.entry('d'))).resolves.toMatchObject({ ok: true });
    expect(await charging.count()).toBe(4);
  });

  test('answers all who go together with the error when the store can not be read, and goes on', async () => {
    const charging = await chargingOf({ limit: 1 });
    await charging.set(1);
    await charging.see();
    const { store } = charging.core as unknown as { store: { get: unknown } };
    const { get } = store;
    store.get = () => Promise.reject(new Error('out of reach'));
    const answers = ['a', 'b'].map((name) =>
      commit(charging, charging.entry(name)).catch((error: Error) => error.message),
    );
    expect(await Promise.all(answers)).toEqual(['out of reach', 'out of reach']);
    store.get = get;
    await charging.set(0);
    await expect(commit(charging, charging.entry('c'))).resolves.toMatchObject({ ok: true });
  });

  test('takes no one who does not wait any more', async () => {
    const charging = await chargingOf();
    const signal = AbortSignal.abort(new Error('went away'));
    await expect(commit(charging, charging.entry('a', { signal }))).rejects.toThrow('went away');
    expect(charging.txns).toHaveLength(0);
  });

  test('holds at most 5,000; one more is to come again in a second', async () => {
    const charging = await chargingOf();
    const held = charging.store.writes.hold();
    const first = commit(charging, charging.entry('first'));
    await held.arrived;
    const entry = () => charging.entry('free', { txn: { guards: [], writes: [] }, ask: () => [] });
    const waiting = names(5_000).map(() => commit(charging, entry()));
    await expect(commit(charging, entry())).rejects.toMatchObject({
      reason: 'TooManyRequests',
      details: { retryAfterSeconds: 1 },
    });
    held.release();
    await Promise.all([first, ...waiting]);
  });
});

describe('a transaction of a lane', () => {
  test('stays within what the store takes at once', async () => {
    const charging = await chargingOf();
    const { answers, writes } = await queued(
      charging,
      names(200).map((name) => charging.entry(name)),
    );
    expect(answers.every((one) => !(one instanceof Error) && one.ok)).toBe(true);
    expect(writes.length).toBeLessThanOrEqual(4);
    for (const txn of charging.txns) {
      expect(txn.guards.length).toBeLessThanOrEqual(128);
      expect(txn.writes.length).toBeLessThanOrEqual(128);
    }
    expect(await charging.count()).toBe(201);
  });

  test('is bounded by its guards, too', async () => {
    const charging = await chargingOf();
    const guarding = (name: string) => {
      const entry = charging.entry(name);
      const guards = names(50).map((one) => ({ key: `/free/${name}/${one}`, revision: 0 }));
      return { ...entry, txn: { ...entry.txn, guards } };
    };
    await queued(charging, names(4).map(guarding));
    expect(charging.txns.slice(1).map(({ guards }) => guards.length)).toEqual([51, 51, 51, 51]);
  });

  test('is bounded by what it writes, too', async () => {
    const charging = await chargingOf();
    const writing = (name: string) => {
      const entry = charging.entry(name);
      const writes = names(50).map((one) => ({ type: 'put' as const, key: `/many/${name}/${one}`, value: '{}' }));
      return { ...entry, txn: { ...entry.txn, writes } };
    };
    const { writes } = await queued(charging, names(4).map(writing));
    expect(writes).toEqual([51, 51, 51, 51]);
  });

  test('is bounded by the size of what it writes; a large one goes by itself', async () => {
    const charging = await chargingOf();
    const sized = (name: string, chars: number) => charging.entry(name, { value: JSON.stringify('x'.repeat(chars)) });
    const kibi = 1024;
    const { writes } = await queued(charging, [
      ...names(2).map((name) => sized(name, 300 * kibi)),
      sized('large', 700 * kibi),
      ...['a', 'b'].map((name) => sized(name, 200 * kibi)),
    ]);
    expect(writes).toEqual([2, 2, 2, 3]);
  });
});

test('tries after a lost race wait longer and longer, the first ones not at all', async () => {
  const { lanes, core, clock } = await chargingOf();
  for (const attempt of [0, 1, 2]) await lanes.pause(core, attempt);
  const waited: number[] = [];
  for (const attempt of [3, 20, 150]) {
    const from = clock.now();
    let done = false;
    void lanes.pause(core, attempt).then(() => {
      done = true;
    });
    await Promise.resolve();
    expect(done).toBe(false);
    while (!done) await clock.advance(1);
    waited.push(clock.now() - from);
  }
  expect(waited[0]).toBeLessThanOrEqual(2);
  expect(Math.max(...waited)).toBeLessThanOrEqual(51);
  expect(waited[2]).toBeGreaterThan(waited[0] ?? 0);
});
