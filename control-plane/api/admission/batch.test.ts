import { describe, expect, test } from 'vitest';
import { counterKey, counterStore } from '../../../test/support/contributions.ts';
import { Observed } from '../requests/observed.ts';
import { commitBatch, type Settled } from './batch.ts';
import type { StateReader } from './plugin.ts';
import { stateReader } from './readers.ts';

type CounterStore = Awaited<ReturnType<typeof counterStore>>;

/** Commits a batch, under a clock that does not stand still. */
async function commit(
  { deps, clock }: CounterStore,
  batch: Parameters<typeof commitBatch>[1],
  shared = new Observed(),
): Promise<readonly Settled[]> {
  let done = false;
  const running = commitBatch(deps, batch, shared).finally(() => {
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
  test('are stored as one, each decided on the state after the previous one', async () => {
    const counter = await counterStore();
    const batch = ['a', 'b', 'c'].map((name) => counter.pending(name));
    expect((await commit(counter, batch)).map(outcome)).toEqual(['stored', 'stored', 'stored']);
    expect(await counter.count()).toBe(3);
    expect(counter.txns).toHaveLength(1);
    expect(await commit(counter, [])).toEqual([]);
  });

  test('use the remaining quota and no more; a refused one does not fail the others', async () => {
    const counter = await counterStore({ limit: 2 });
    const batch = ['a', 'b', 'c'].map((name) => counter.pending(name));
    expect((await commit(counter, batch)).map(outcome)).toEqual(['stored', 'stored', 'full: 2']);
    expect([await counter.count(), await counter.has('c')]).toEqual([2, false]);
  });

  test('contribute nothing when their own guard fails', async () => {
    const counter = await counterStore();
    await counter.write('/x/b', {});
    const settled = await commit(
      counter,
      ['a', 'b', 'c'].map((name) => counter.pending(name)),
    );
    expect(settled.map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await counter.count()).toBe(2);
    const [, taken] = settled;
    expect(taken && 'current' in taken ? [...taken.current.keys()] : []).toContain('/x/b');
  });

  test('that write the same key are stored one after the other: the second sees the first', async () => {
    const counter = await counterStore();
    const settled = await commit(counter, [counter.pending('a'), counter.pending('a'), counter.pending('b')]);
    expect(settled.map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await counter.count()).toBe(2);
  });

  test('that guard one key at different revisions do not go together', async () => {
    const counter = await counterStore();
    await counter.write('/home', {});
    const { item } = await counter.store.get('/home');
    const guarding = (name: string, revision: number) => {
      const one = counter.pending(name);
      return { ...one, txn: { ...one.txn, guards: [...one.txn.guards, { key: '/home', revision }] } };
    };
    const batch = [guarding('a', item?.revision ?? 0), guarding('b', 999), guarding('c', item?.revision ?? 0)];
    expect((await commit(counter, batch)).map(outcome)).toEqual(['stored', 'guard failed', 'stored']);
    expect(await counter.count()).toBe(2);
  });

  test('with contributions that guard a key at different revisions wait for a transaction of their own', async () => {
    const counter = await counterStore();
    const odd = counter.pending('odd', {
      contribute: () => [{ guards: [{ key: counterKey, revision: 0 }], writes: [] }],
    });
    const [first, second] = await commit(counter, [
      counter.pending('a'),
      { ...odd, contribute: (states) => (counter.txns.length === 0 ? odd.contribute(states) : []) },
    ]);
    expect([first, second].map(outcome)).toEqual(['stored', 'stored']);
    expect(counter.txns).toHaveLength(2);
    expect(counter.txns[0]?.guards).not.toContainEqual({ key: counterKey, revision: 0 });
  });
});

describe('on a state from the past', () => {
  test('nothing is refused that the store has room for', async () => {
    const counter = await counterStore({ limit: 1 });
    await counter.set(1);
    await counter.see();
    await counter.set(0);
    expect((await commit(counter, [counter.pending('a')])).map(outcome)).toEqual(['stored']);
    expect(await counter.count()).toBe(1);
  });

  test('usage is not counted for a write that the store refuses', async () => {
    const counter = await counterStore({ limit: 1 });
    await counter.set(1);
    expect((await commit(counter, [counter.pending('a')])).map(outcome)).toEqual(['full: 1']);
    expect([await counter.count(), await counter.has('a')]).toEqual([1, false]);
  });

  test('a refusal is based on the state of the store after the others were stored', async () => {
    const counter = await counterStore({ limit: 3 });
    await counter.set(1);
    const settled = await commit(
      counter,
      ['a', 'b', 'c'].map((name) => counter.pending(name)),
    );
    expect(settled.map(outcome)).toEqual(['stored', 'stored', 'full: 3']);
    expect(await counter.count()).toBe(3);
  });

  test('objects deleted in the store do not count, new ones do', async () => {
    const counter = await counterStore({ limit: 1 });
    await counter.remove();
    expect((await commit(counter, [counter.pending('a'), counter.pending('b')])).map(outcome)).toEqual([
      'stored',
      'stored',
    ]);
    expect(await counter.count()).toBeNaN();
    await counter.set(1);
    await counter.see();
    expect((await commit(counter, [counter.pending('c')])).map(outcome)).toEqual(['full: 1']);
  });

  test('the next transactions build on the state after the last ones, without a conflict', async () => {
    const counter = await counterStore();
    const shared = new Observed();
    for (const name of ['a', 'b', 'c']) await commit(counter, [counter.pending(name)], shared);
    expect(counter.txns).toHaveLength(3);
    expect(await counter.count()).toBe(3);
    // Until the cache knows better.
    await counter.set(10);
    await counter.see();
    await commit(counter, [counter.pending('d')], shared);
    expect([await counter.count(), counter.txns.length]).toEqual([11, 4]);
  });
});

describe('a lost race', () => {
  test('is tried again until it is won, and no increment of others is lost', async () => {
    const counter = await counterStore();
    let others = 0;
    const racing = counter.pending('a');
    const one = {
      ...racing,
      contribute: (states: StateReader) => {
        // Another server writes between the decision and its transaction, which is only queued now.
        if (others < 8) void counter.set(++others);
        return racing.contribute(states);
      },
    };
    expect((await commit(counter, [one])).map(outcome)).toEqual(['stored']);
    expect(await counter.count()).toBe(9);
    expect(counter.txns.length).toBeGreaterThan(8);
  });

  test('is given up after many tries, with an error and nothing stored', async () => {
    const counter = await counterStore();
    const racing = counter.pending('a');
    const contribute = (states: StateReader) => {
      void counter.set(0);
      return racing.contribute(states);
    };
    const began = counter.clock.now();
    expect((await commit(counter, [{ ...racing, contribute }])).map(outcome)).toEqual([
      'the store refused a transaction again and again',
    ]);
    expect(counter.txns.length).toBeLessThanOrEqual(200);
    // With waits between them, other than an eager loop.
    expect(counter.clock.now() - began).toBeGreaterThan(1_000);
    expect(await counter.has('a')).toBe(false);
  });
});

test('of several known states of a key the newest is used, whatever its source', async () => {
  const { deps, see, set } = await counterStore();
  const counter = (count: string, revision: number) => ({
    key: counterKey,
    revision,
    created: 1,
    value: JSON.stringify({ metadata: {}, data: { count } }),
  });
  const [older, newer] = [new Observed(), new Observed()];
  older.record(counterKey, counter('5', 100), 100);
  newer.record(counterKey, counter('6', 200), 200);
  const seen = (observed: readonly Observed[], pending = new Observed()) => {
    const keys = new Set<string>();
    const state = stateReader({ reader: deps.reader, pending, observed, keys }).get('ConfigMap', 'counter', 'a');
    expect([...keys]).toEqual([counterKey]);
    return (state?.object as { data?: { count?: string } } | undefined)?.data?.count;
  };
  expect([seen([newer, older]), seen([older, newer])]).toEqual(['6', '6']);
  // What was built on in the same transaction counts before all else.
  expect(seen([newer], older)).toBe('5');
  newer.record(counterKey, undefined, 300);
  expect(seen([newer, older])).toBeUndefined();
  await set(9);
  await see();
  expect(seen([new Observed(), new Observed()])).toBe('9');
});

describe('failures', () => {
  test('in the store is the error of those that were in the transaction', async () => {
    const counter = await counterStore();
    counter.store.writes.fail();
    const settled = await commit(counter, [counter.pending('a'), counter.pending('a'), counter.pending('b')]);
    expect(settled.map(outcome)).toEqual(['the brake failed the write', 'stored', 'the brake failed the write']);
    expect([await counter.count(), await counter.has('b')]).toEqual([1, false]);
  });

  test('for an aborted transaction is the reason of its signal, and nothing of it is stored', async () => {
    const counter = await counterStore();
    const gone = counter.pending('a', { signal: AbortSignal.abort(new Error('went away')) });
    expect((await commit(counter, [gone, counter.pending('b')])).map(outcome)).toEqual(['went away', 'stored']);
    expect([await counter.count(), await counter.has('a')]).toEqual([1, false]);
    expect((await commit(counter, [gone])).map(outcome)).toEqual(['went away']);
    expect(counter.txns).toHaveLength(1);
  });
});
