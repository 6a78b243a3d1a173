import { describe, expect, test } from 'vitest';
import { chargingOf, counterKey } from '../../../test/support/charging.ts';
import { commitTogether, type Settled } from './charges.ts';
import { Known } from './known.ts';

type Charging = Awaited<ReturnType<typeof chargingOf>>;

/** Commits entries, under a clock that does not stand still. */
async function commit(
  { core, clock }: Charging,
  entries: Parameters<typeof commitTogether>[1],
  known = new Known(),
): Promise<Settled[]> {
  let done = false;
  const running = commitTogether(core, entries, known).finally(() => {
    done = true;
  });
  while (!done) await clock.advance(100);
  return running;
}

const outcome = (settled: Settled | undefined): string => {
  if (!settled) return 'missing';
  if ('error' in settled) return (settled.error as Error).message;
  return settled.ok ? 'stored' : 'guard failed';
};

describe('transactions with one counter', () => {
  test('are stored as one, each charged on what the one before it leaves', async () => {
    const charging = await chargingOf();
    const entries = ['a', 'b', 'c'].map((name) => charging.entry(name));
    expect((await commit(charging, entries)).map(outcome)).toEqual(['stored', 'stored', 'stored']);
    expect(await charging.count()).toBe(3);
    expect(charging.txns).toHaveLength(1);
    expect(await commit(charging, [])).toEqual([]);
  });

  test('take what there is and no more; who is refused does not take the others along', async () => {
    const charging = await chargingOf({ limit: 2 });
    const entries = ['a', 'b', 'c'].map((name) => charging.entry(name));
    expect((await commit(charging, entries)).map(outcome)).toEqual(['stored', 'stored', 'full: 2']);
    expect([await charging.count(), await charging.has('c')]).toEqual([2, false]);
  });

  test('are not charged when their own guard fails', async () => {
    const charging = await chargingOf();
    await charging.write('/x/b', {});
    const settled = await commit(
      charging,
      ['a', 'b', 'c'].map((name) => charging.entry(name)),
    );
    expect(settled.map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await charging.count()).toBe(2);
    const [, taken] = settled;
    expect(taken && 'current' in taken ? [...taken.current.keys()] : []).toContain('/x/b');
  });

  test('that write one key go one after the other: the second finds it taken', async () => {
    const charging = await chargingOf();
    const settled = await commit(charging, [charging.entry('a'), charging.entry('a'), charging.entry('b')]);
    expect(settled.map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await charging.count()).toBe(2);
  });

  test('that guard one key at different revisions do not go together', async () => {
    const charging = await chargingOf();
    await charging.write('/home', {});
    const { item } = await charging.store.get('/home');
    const guarding = (name: string, revision: number) => {
      const entry = charging.entry(name);
      return { ...entry, txn: { ...entry.txn, guards: [...entry.txn.guards, { key: '/home', revision }] } };
    };
    const entries = [guarding('a', item?.revision ?? 0), guarding('b', 999), guarding('c', item?.revision ?? 0)];
    expect((await commit(charging, entries)).map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await charging.count()).toBe(2);
  });

  test('whose charges guard what another guards differently wait for a transaction of their own', async () => {
    const charging = await chargingOf();
    const odd = charging.entry('odd', {
      ask: () => [{ guards: [{ key: counterKey, revision: 0 }], writes: [] }],
    });
    const [first, second] = await commit(charging, [
      charging.entry('a'),
      { ...odd, ask: (states) => (states.length > 0 && charging.txns.length === 0 ? odd.ask(states) : []) },
    ]);
    expect([first, second].map(outcome)).toEqual(['stored', 'stored']);
    expect(charging.txns).toHaveLength(2);
    expect(charging.txns[0]?.guards).not.toContainEqual({ key: counterKey, revision: 0 });
  });
});

describe('on a state from the past', () => {
  test('nothing is refused that the store has room for', async () => {
    const charging = await chargingOf({ limit: 1 });
    await charging.set(1);
    await charging.see();
    await charging.set(0);
    expect((await commit(charging, [charging.entry('a')])).map(outcome)).toEqual(['stored']);
    expect(await charging.count()).toBe(1);
  });

  test('nothing is taken that the store has no room for', async () => {
    const charging = await chargingOf({ limit: 1 });
    await charging.set(1);
    expect((await commit(charging, [charging.entry('a')])).map(outcome)).toEqual(['full: 1']);
    expect([await charging.count(), await charging.has('a')]).toEqual([1, false]);
  });

  test('one who is refused is refused by what the store holds then, after the others took theirs', async () => {
    const charging = await chargingOf({ limit: 3 });
    await charging.set(1);
    const settled = await commit(
      charging,
      ['a', 'b', 'c'].map((name) => charging.entry(name)),
    );
    expect(settled.map(outcome)).toEqual(['stored', 'stored', 'full: 3']);
    expect(await charging.count()).toBe(3);
  });

  test('what is gone from the store is not charged, what came is', async () => {
    const charging = await chargingOf({ limit: 1 });
    await charging.remove();
    expect((await commit(charging, [charging.entry('a'), charging.entry('b')])).map(outcome)).toEqual([
      'stored',
      'stored',
    ]);
    expect(await charging.count()).toBeNaN();
    await charging.set(1);
    await charging.see();
    expect((await commit(charging, [charging.entry('c')])).map(outcome)).toEqual(['full: 1']);
  });

  test('the next transactions build on what the last ones left, without a lost race', async () => {
    const charging = await chargingOf();
    const known = new Known();
    for (const name of ['a', 'b', 'c']) await commit(charging, [charging.entry(name)], known);
    expect(charging.txns).toHaveLength(3);
    expect(await charging.count()).toBe(3);
    // Until the cache knows better.
    await charging.set(10);
    await charging.see();
    await commit(charging, [charging.entry('d')], known);
    expect([await charging.count(), charging.txns.length]).toEqual([11, 4]);
  });
});

describe('a lost race', () => {
  test('is tried again until it is won, and no increment of others is lost', async () => {
    const charging = await chargingOf();
    let others = 0;
    const racing = charging.entry('a');
    const entry = {
      ...racing,
      ask: (states: readonly Known[]) => {
        // Another server writes between the decision and its transaction, which is only queued now.
        if (others < 8) void charging.set(++others);
        return racing.ask(states);
      },
    };
    expect((await commit(charging, [entry])).map(outcome)).toEqual(['stored']);
    expect(await charging.count()).toBe(9);
    expect(charging.txns.length).toBeGreaterThan(8);
  });

  test('is given up after many tries, with an error and nothing stored', async () => {
    const charging = await chargingOf();
    const racing = charging.entry('a');
    const ask = (states: readonly Known[]) => {
      void charging.set(0);
      return racing.ask(states);
    };
    const began = charging.clock.now();
    expect((await commit(charging, [{ ...racing, ask }])).map(outcome)).toEqual([
      'the store refused a transaction again and again',
    ]);
    expect(charging.txns.length).toBeLessThanOrEqual(200);
    // With waits between them, other than an eager loop.
    expect(charging.clock.now() - began).toBeGreaterThan(1_000);
    expect(await charging.has('a')).toBe(false);
  });
});

test('of several known states of a key the newest counts, whatever its source', async () => {
  const { core, see, set } = await chargingOf();
  const counter = (count: string, revision: number) => ({
    ...{ key: counterKey, revision, created: 1 },
    value: JSON.stringify({ metadata: {}, data: { count } }),
  });
  const [older, newer] = [new Known(), new Known()];
  older.learn(counterKey, counter('5', 100), 100);
  newer.learn(counterKey, counter('6', 200), 200);
  const seen = (known: Known, others: readonly Known[]) => {
    const state = known.present(core, others).get('ConfigMap', 'counter', 'a');
    return (state?.object as { data?: { count?: string } } | undefined)?.data?.count;
  };
  expect([seen(newer, [new Known(), older]), seen(older, [new Known(), newer])]).toEqual(['6', '6']);
  // What was built on in the same transaction counts before all else.
  expect(seen(newer, [older])).toBe('5');
  newer.learn(counterKey, undefined, 300);
  expect(seen(newer, [new Known(), older])).toBeUndefined();
  await set(9);
  await see();
  expect(seen(new Known(), [new Known()])).toBe('9');
});

describe('what goes wrong', () => {
  test('in the store is the error of those that were in the transaction', async () => {
    const charging = await chargingOf();
    charging.store.writes.fail();
    const settled = await commit(charging, [charging.entry('a'), charging.entry('a'), charging.entry('b')]);
    expect(settled.map(outcome)).toEqual(['the brake failed the write', 'stored', 'the brake failed the write']);
    expect([await charging.count(), await charging.has('b')]).toEqual([1, false]);
  });

  test('for one who does not wait any more is his reason, and nothing of his is stored', async () => {
    const charging = await chargingOf();
    const gone = charging.entry('a', { signal: AbortSignal.abort(new Error('went away')) });
    expect((await commit(charging, [gone, charging.entry('b')])).map(outcome)).toEqual(['went away', 'stored']);
    expect([await charging.count(), await charging.has('a')]).toEqual([1, false]);
    expect((await commit(charging, [gone])).map(outcome)).toEqual(['went away']);
    expect(charging.txns).toHaveLength(1);
  });
});
