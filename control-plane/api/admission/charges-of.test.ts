import { describe, expect, test } from 'vitest';
import type { ConfigMap } from '../../../shared/generated/types.ts';
import { podOf, readerOf, requestOf, stored } from '../../../test/support/admission.ts';
import { chargingOf, counterKey } from '../../../test/support/charging.ts';
import type { WriteCore } from '../requests/write-core.ts';
import { chargesOf } from './charges.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { readerWith } from './read-missing.ts';

type Charging = Awaited<ReturnType<typeof chargingOf>>;

const request = requestOf('Pod');
const signal = new AbortController().signal;
const txn = (name: string) => ({
  guards: [{ key: name, revision: 0 }],
  writes: [{ type: 'put' as const, key: name, value: '{}' }],
});

/** Adds one to the counter, up to `limit`. */
function counting(limit: number, more: Partial<AdmissionPlugin> = {}): AdmissionPlugin {
  return {
    name: 'Counting',
    rules: [],
    charge(_request, _object, _old, present) {
      const state = present.get('ConfigMap', 'counter', 'a');
      if (!state) return undefined;
      const count = Number((state.object as ConfigMap).data?.count);
      if (count >= limit) throw new Error('full');
      const value = JSON.stringify(stored('ConfigMap', 'counter', { data: { count: String(count + 1) } }));
      const key = present.key('ConfigMap', 'counter', 'a');
      return { guards: [{ key, revision: state.revision }], writes: [{ type: 'put', key, value }] };
    },
    ...more,
  };
}

function chargesFor(asked: typeof request, { core }: Charging, ...plugins: AdmissionPlugin[]) {
  const { admission } = core;
  const admitting = {
    get reader() {
      return admission.reader;
    },
    charging: () => plugins,
  };
  const whole = { ...core, lanes: core.lanes, admission: admitting } as unknown as WriteCore;
  return chargesOf(whole, asked, signal);
}

const chargesWith = (charging: Charging, ...plugins: AdmissionPlugin[]) => chargesFor(request, charging, ...plugins);

/** As a dry run commits: without a write of its own. */
const checkOnly = (charging: Charging, ...plugins: AdmissionPlugin[]) =>
  chargesFor({ ...request, dryRun: true }, charging, ...plugins)?.commit(
    { ...txn('/x/a'), writes: [] },
    podOf(),
    undefined,
  );

describe('the charges of a request', () => {
  test('are none when no plugin has anything to add', async () => {
    expect(chargesWith(await chargingOf())).toBeUndefined();
  });

  test('are stored along with the object, or without any when there is nothing to charge', async () => {
    const charging = await chargingOf();
    const charges = chargesWith(charging, counting(9), counting(9, { charge: () => undefined }), {
      name: 'idle',
      rules: [],
    });
    expect(await charges?.commit(txn('/x/a'), podOf(), undefined)).toMatchObject({ ok: true });
    expect(await charging.count()).toBe(1);
    const nothing = chargesWith(charging, counting(9, { charge: () => undefined }));
    expect(await nothing?.commit(txn('/x/b'), podOf(), undefined)).toMatchObject({ ok: true });
    expect([await charging.count(), await charging.has('a'), await charging.has('b')]).toEqual([1, true, true]);
  });

  test('are thrown as the refusal that they are, and then nothing is stored', async () => {
    const charging = await chargingOf();
    await expect(chargesWith(charging, counting(0))?.commit(txn('/x/a'), podOf(), undefined)).rejects.toThrow('full');
    expect(await charging.has('a')).toBe(false);
  });

  test('go through the lane of the first plugin that has one', async () => {
    const charging = await chargingOf();
    const lanes: string[] = [];
    const { core } = charging;
    const lane = (name: string | undefined) => counting(9, { name: `p-${name}`, lane: () => name });
    const watched = {
      ...core,
      admission: {
        reader: core.admission.reader,
        charging: () => [counting(9), lane(undefined), lane('one'), lane('two')],
      },
      lanes: { commit: async (_core: WriteCore, name: string) => void lanes.push(name), pause: async () => undefined },
    } as unknown as WriteCore;
    await chargesOf(watched, request, signal)?.commit(txn('/x/a'), podOf(), undefined);
    expect(lanes).toEqual(['p-one one']);
  });

  test('are only looked at by a dry run: a refusal counts on the state of the store', async () => {
    const charging = await chargingOf();
    await expect(checkOnly(charging, counting(1))).resolves.toMatchObject({ ok: true });
    expect([await charging.count(), charging.txns.flatMap(({ writes }) => writes)]).toEqual([0, []]);
    await charging.set(1);
    await charging.see();
    await charging.set(0);
    await expect(checkOnly(charging, counting(1))).resolves.toMatchObject({ ok: true });
    await charging.set(1);
    await expect(checkOnly(charging, counting(1))).rejects.toThrow('full');
  });

  test('start from what their caller has read, when it is newer than the cache', async () => {
    const charging = await chargingOf();
    await charging.set(4);
    const { item } = await charging.store.get(counterKey);
    const charges = chargesWith(charging, counting(9));
    const revision = item?.revision ?? 0;
    charges?.learn(counterKey, { object: JSON.parse(item?.value ?? ''), revision });
    expect(await charges?.commit(txn('/x/a'), podOf(), undefined)).toMatchObject({ ok: true });
    expect([await charging.count(), charging.txns.length]).toEqual([5, 1]);
    const late = chargesWith(charging, counting(9));
    await charging.see();
    late?.learn(counterKey, { object: stored('ConfigMap', 'counter', { data: { count: '0' } }), revision: 1 });
    expect(await late?.commit(txn('/x/b'), podOf(), undefined)).toMatchObject({ ok: true });
    expect([await charging.count(), charging.txns.length]).toEqual([6, 2]);
  });
});

describe('what plugins list', () => {
  test('is what the cache lists, each as new as it is known, without what is gone', async () => {
    const charging = await chargingOf();
    const seen: string[][] = [];
    const listing: AdmissionPlugin = {
      name: 'Listing',
      rules: [],
      charge(_request, _object, _old, present) {
        seen.push(present.list('ConfigMap', 'a').map(({ object }) => (object as ConfigMap).data?.count ?? ''));
        throw new Error('again');
      },
    };
    await charging.set(7);
    await expect(checkOnly(charging, listing)).rejects.toThrow('again');
    await charging.remove();
    await expect(checkOnly(charging, listing)).rejects.toThrow('again');
    expect(seen).toEqual([['0'], ['7'], ['0'], []]);
  });
});

describe('a reader with what the cache does not show', () => {
  test('shows what the store has of it, and the cache’s own first', async () => {
    const { core, set, see } = await chargingOf();
    await set(3);
    const cached = readerOf([]);
    const wanted = { kind: 'ConfigMap', name: 'counter', namespace: 'a' } as const;
    const whole = {
      ...core,
      admission: { reader: cached },
      fresh: async (key: string) => {
        const { item } = await core.store.get(key);
        return item && { object: JSON.parse(item.value), revision: item.revision };
      },
    } as unknown as WriteCore;
    const reader = await readerWith(whole, [wanted, { ...wanted, name: 'gone' }]);
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
    await see();
    const own = stored('ConfigMap', 'counter', { data: { count: 'own' } });
    const both = await readerWith({ ...whole, admission: { reader: readerOf([own]) } } as unknown as WriteCore, [
      wanted,
    ]);
    expect(both.get('ConfigMap', 'counter', 'a')).toBe(own);
  });
});
