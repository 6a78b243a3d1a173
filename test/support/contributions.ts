import type { BatchDeps, PendingTxn } from '../../control-plane/api/admission/batch.ts';
import { AdmissionChain } from '../../control-plane/api/admission/chain.ts';
import { CommitQueues } from '../../control-plane/api/admission/commit-queues.ts';
import type {
  AdmissionPlugin,
  AdmissionRequest,
  Contribution,
  Reader,
  StateReader,
} from '../../control-plane/api/admission/plugin.ts';
import { Observed } from '../../control-plane/api/requests/observed.ts';
import { objectKey } from '../../control-plane/store/keys.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { Txn, Write } from '../../control-plane/store/store.ts';
import type { ConfigMap } from '../../shared/generated/types.ts';
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
 * Transactions that all write one counter, on a store of their own. The cache shows the counter as it was at the last call of `see`.
 */
export async function counterStore({ limit = Number.POSITIVE_INFINITY } = {}) {
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
  const reader: Reader = {
    get: (kind, name, namespace) => readerOf(cached).get(kind, name, namespace),
    list: (kind, namespace) => readerOf(cached).list(kind, namespace),
    count: (kind, namespace) => readerOf(cached).count(kind, namespace),
  };
  const deps: BatchDeps = { store: counting, clock, random: systemRandom, reader };
  const queues = new CommitQueues(deps);

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
  const pending = (name: string, more: Partial<PendingTxn & { value: string }> = {}): PendingTxn => {
    const key = `/x/${name}`;
    return {
      txn: { guards: [{ key, revision: 0 }], writes: [{ type: 'put', key, value: more.value ?? '{}' }] },
      observed: new Observed(),
      signal: new AbortController().signal,
      contribute(states: StateReader): Contribution[] {
        const state = states.get('ConfigMap', 'counter', 'a');
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
  return { clock, store, deps, queues, txns, pending, count, see, set, remove, has, write };
}

/** What plugins write along with an object, on an empty store. */
export async function writesOf(
  plugins: readonly AdmissionPlugin[],
  request: AdmissionRequest,
  object: KubeObject,
  old?: KubeObject,
): Promise<readonly Write[]> {
  const clock = new VirtualClock();
  const written: Write[] = [];
  const store = {
    get: async () => ({ revision: 1 }),
    txn: async ({ writes }: Txn) => {
      written.push(...writes);
      return { ok: true, revision: 2 } as const;
    },
  };
  const chain = new AdmissionChain(plugins, { store, cache: readerOf([]) as never, clock, random: systemRandom });
  await chain.commit({ request, object, old, txn: { guards: [], writes: [] }, observed: new Observed() });
  return written;
}
