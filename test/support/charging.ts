import type { Entry } from '../../control-plane/api/admission/charges.ts';
import { Known } from '../../control-plane/api/admission/known.ts';
import { Lanes } from '../../control-plane/api/admission/lanes.ts';
import type { Charge } from '../../control-plane/api/admission/plugin.ts';
import type { State } from '../../control-plane/api/requests/codec.ts';
import type { WriteCore } from '../../control-plane/api/requests/write-core.ts';
import { objectKey } from '../../control-plane/store/keys.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { Txn } from '../../control-plane/store/store.ts';
import type { ConfigMap, Kind } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import type { KubeObject } from '../../shared/object.ts';
import { systemRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { readerOf, stored } from './admission.ts';
import { BrakedStore } from './braked-store.ts';

export const counterKey = objectKey(kindNamed('ConfigMap'), 'a', 'counter');

function counterOf(count: number): ConfigMap {
  return stored('ConfigMap', 'counter', { data: { count: String(count) } });
}

/**
 * Transactions that all charge one counter, on a store of their own. The cache shows what `see` made it see last: a state from the past as soon
 * as something is written.
 */
export async function chargingOf({ limit = Number.POSITIVE_INFINITY } = {}) {
  const clock = new VirtualClock();
  const store = new BrakedStore(new MemoryStore({ clock }));
  const txns: Txn[] = [];
  const counting = {
    get: (key: string) => store.get(key),
    txn: (txn: Txn) => {
      txns.push(txn);
      return store.txn(txn);
    },
  };
  let cached: KubeObject[] = [];
  const lanes = new Lanes();
  const core = {
    store: counting,
    clock,
    random: systemRandom,
    lanes,
    admission: {
      get reader() {
        return readerOf(cached);
      },
    },
    kind: (kind: Kind) => kindNamed(kind),
    cached(entry: { kind: string }, namespace: string | undefined, name: string): State | undefined {
      const object = readerOf(cached).get(entry.kind as Kind, name, namespace) as KubeObject | undefined;
      return object && { object, revision: Number(object.metadata.resourceVersion) };
    },
  } as unknown as WriteCore;

  const write = (key: string, object: object) =>
    store.txn({ guards: [], writes: [{ type: 'put', key, value: JSON.stringify(object) }] });
  const count = async (): Promise<number> => {
    const { item } = await store.get(counterKey);
    return item ? Number(JSON.parse(item.value).data.count) : Number.NaN;
  };
  /** The cache shows the counter as the store holds it. */
  const see = async (): Promise<void> => {
    const { item } = await store.get(counterKey);
    const object = item && JSON.parse(item.value);
    cached = object ? [{ ...object, metadata: { ...object.metadata, resourceVersion: String(item.revision) } }] : [];
  };
  /** Written by another server. */
  const set = async (value: number) => void (await write(counterKey, counterOf(value)));
  const remove = async () => void (await store.txn({ guards: [], writes: [{ type: 'delete', key: counterKey }] }));

  /** Stores `/x/NAME`, which must be free, and adds one to the counter, where there is one. */
  const entry = (name: string, more: Partial<Entry & { value: string; chars: number }> = {}): Entry => {
    const known = new Known();
    const key = `/x/${name}`;
    return {
      txn: { guards: [{ key, revision: 0 }], writes: [{ type: 'put', key, value: more.value ?? '{}' }] },
      known,
      signal: new AbortController().signal,
      ask(states): Charge[] {
        const state = known.present(core, states).get('ConfigMap', 'counter', 'a');
        if (!state) return [];
        const next = Number((state.object as ConfigMap).data?.count) + 1;
        if (next > limit) throw new Error(`full: ${next - 1}`);
        const value = JSON.stringify(counterOf(next));
        return [
          {
            guards: [{ key: counterKey, revision: state.revision }],
            writes: [{ type: 'put', key: counterKey, value }],
          },
        ];
      },
      ...more,
    };
  };
  const has = async (name: string) => (await store.get(`/x/${name}`)).item !== undefined;
  await set(0);
  await see();
  return { clock, store, core, lanes, txns, entry, count, see, set, remove, has, write };
}
