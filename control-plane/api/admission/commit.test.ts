import { describe, expect, test } from 'vitest';
import type { ConfigMap, Kind } from '../../../shared/generated/types.ts';
import { podOf, readerOf, requestOf, stored } from '../../../test/support/admission.ts';
import { counterKey, counterStore } from '../../../test/support/contributions.ts';
import { Observed } from '../requests/observed.ts';
import { AdmissionChain, type AdmissionDeps } from './chain.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { readerWith } from './readers.ts';

type CounterStore = Awaited<ReturnType<typeof counterStore>>;

const request = requestOf('Pod');
const txn = (name: string) => ({
  guards: [{ key: name, revision: 0 }],
  writes: [{ type: 'put' as const, key: name, value: '{}' }],
});

/** Adds one to the counter, up to `limit`. */
function counting(limit: number, more: Partial<AdmissionPlugin> = {}): AdmissionPlugin {
  return {
    name: 'Counting',
    rules: [{ verbs: ['create'] }],
    contribute(_request, _object, _old, states) {
      const state = states.get('ConfigMap', 'counter', 'a');
      if (!state) return undefined;
      const count = Number((state.object as ConfigMap).data?.count);
      if (count >= limit) throw new Error('full');
      const value = JSON.stringify(stored('ConfigMap', 'counter', { data: { count: String(count + 1) } }));
      const key = states.key('ConfigMap', 'counter', 'a');
      return { guards: [{ key, revision: state.revision }], writes: [{ type: 'put', key, value }] };
    },
    ...more,
  };
}

function chainOf({ deps }: CounterStore, plugins: readonly AdmissionPlugin[]): AdmissionChain {
  const { get, list, count } = deps.reader;
  const cache = {
    get: (kind: Kind, key: string) => get(kind, key.slice(key.indexOf('/') + 1), key.split('/')[0]),
    list,
    count,
  };
  return new AdmissionChain(plugins, { ...deps, cache } as unknown as AdmissionDeps);
}

function commitWith(counter: CounterStore, plugins: readonly AdmissionPlugin[], name = 'a', observed = new Observed()) {
  return chainOf(counter, plugins).commit({
    request,
    object: podOf(),
    old: undefined,
    txn: txn(`/x/${name}`),
    observed,
  });
}

/** As a dry run commits: without a write of its own. */
function checkOnly(counter: CounterStore, plugins: readonly AdmissionPlugin[]) {
  return chainOf(counter, plugins).commit({
    request: { ...request, dryRun: true },
    object: podOf(),
    old: undefined,
    txn: { ...txn('/x/a'), writes: [] },
    observed: new Observed(),
  });
}

describe('the contributions to a transaction', () => {
  test('are none when no plugin has anything to add', async () => {
    const counter = await counterStore();
    expect(await commitWith(counter, [])).toMatchObject({ ok: true });
    expect(await commitWith(counter, [counting(9, { rules: [{ verbs: ['update'] }] })], 'b')).toMatchObject({
      ok: true,
    });
    expect([await counter.count(), await counter.has('a'), await counter.has('b')]).toEqual([0, true, true]);
  });

  test('are stored along with the object, or none when the plugins return none', async () => {
    const counter = await counterStore();
    const quiet = counting(9, { contribute: () => undefined });
    const idle: AdmissionPlugin = { name: 'idle', rules: [{ verbs: ['create'] }] };
    expect(await commitWith(counter, [counting(9), quiet, idle])).toMatchObject({ ok: true });
    expect(await counter.count()).toBe(1);
    expect(await commitWith(counter, [quiet], 'b')).toMatchObject({ ok: true });
    expect([await counter.count(), await counter.has('a'), await counter.has('b')]).toEqual([1, true, true]);
  });

  test('are thrown as the refusal that they are, and then nothing is stored', async () => {
    const counter = await counterStore();
    await expect(commitWith(counter, [counting(0)])).rejects.toThrow('full');
    expect(await counter.has('a')).toBe(false);
  });

  test('go through the queue of the first plugin that has one', async () => {
    const counter = await counterStore();
    const asked: string[] = [];
    const queue = (name: string, answer: string | undefined) =>
      counting(9, {
        name,
        queue: () => {
          asked.push(name);
          return answer;
        },
      });
    const chain = chainOf(counter, [counting(9), queue('none', undefined), queue('one', 'a'), queue('two', 'b')]);
    const held = counter.store.writes.hold();
    const commit = (name: string) =>
      chain.commit({ request, object: podOf(), old: undefined, txn: txn(`/x/${name}`), observed: new Observed() });
    const first = commit('first');
    await held.arrived;
    const others = ['b', 'c', 'd'].map(commit);
    held.release();
    await Promise.all([first, ...others]);
    // Those that came while the first was under way went together.
    expect(counter.txns).toHaveLength(2);
    expect(new Set(asked)).toEqual(new Set(['none', 'one']));
  });

  test('are only checked by a dry run: a refusal counts on the state of the store', async () => {
    const counter = await counterStore();
    await expect(checkOnly(counter, [counting(1)])).resolves.toMatchObject({ ok: true });
    expect([await counter.count(), counter.txns.flatMap(({ writes }) => writes)]).toEqual([0, []]);
    await counter.set(1);
    await counter.see();
    await counter.set(0);
    await expect(checkOnly(counter, [counting(1)])).resolves.toMatchObject({ ok: true });
    await counter.set(1);
    await expect(checkOnly(counter, [counting(1)])).rejects.toThrow('full');
  });

  test('start from the caller’s state, when it is newer than the cache', async () => {
    const counter = await counterStore();
    await counter.set(4);
    const { item } = await counter.store.get(counterKey);
    const newer = new Observed();
    newer.recordState(counterKey, { object: JSON.parse(item?.value ?? ''), revision: item?.revision ?? 0 });
    expect(await commitWith(counter, [counting(9)], 'a', newer)).toMatchObject({ ok: true });
    expect([await counter.count(), counter.txns.length]).toEqual([5, 1]);
    await counter.see();
    const older = new Observed();
    older.recordState(counterKey, { object: stored('ConfigMap', 'counter', { data: { count: '0' } }), revision: 1 });
    expect(await commitWith(counter, [counting(9)], 'b', older)).toMatchObject({ ok: true });
    expect([await counter.count(), counter.txns.length]).toEqual([6, 2]);
  });
});

describe('a list for plugins', () => {
  test('is that of the cache, each object in its newest known state, without deleted ones', async () => {
    const counter = await counterStore();
    const seen: string[][] = [];
    const listing: AdmissionPlugin = {
      name: 'Listing',
      rules: [{ verbs: ['create'] }],
      contribute(_request, _object, _old, states) {
        seen.push(states.list('ConfigMap', 'a').map(({ object }) => (object as ConfigMap).data?.count ?? ''));
        throw new Error('again');
      },
    };
    await counter.set(7);
    await expect(checkOnly(counter, [listing])).rejects.toThrow('again');
    await counter.remove();
    await expect(checkOnly(counter, [listing])).rejects.toThrow('again');
    expect(seen).toEqual([['0'], ['7'], ['0'], []]);
  });
});

describe('a reader of keys that the cache does not have', () => {
  test('returns their state in the store, and first of all the cache’s own state', async () => {
    const { deps, set } = await counterStore();
    await set(3);
    const wanted = { kind: 'ConfigMap', name: 'counter', namespace: 'a' } as const;
    const reader = await readerWith(readerOf([]), deps.store, [wanted, { ...wanted, name: 'gone' }]);
    expect(reader.get('ConfigMap', 'counter', 'a')?.data).toEqual({ count: '3' });
    for (const [kind, name, namespace] of [
      ['ConfigMap', 'gone', 'a'],
      ['ConfigMap', 'counter', 'b'],
      ['Secret', 'counter', 'a'],
      ['ConfigMap', 'other', 'a'],
    ] as const) {
      expect(reader.get(kind, name, namespace)).toBeUndefined();
    }
    expect(reader.list('ConfigMap')).toEqual([]);
    const own = stored('ConfigMap', 'counter', { data: { count: 'own' } });
    const both = await readerWith(readerOf([own]), deps.store, [wanted]);
    expect(both.get('ConfigMap', 'counter', 'a')).toBe(own);
  });
});
