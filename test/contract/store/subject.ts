import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach } from 'vitest';
import type { Store, StoreBatch, StoreEvent, Txn } from '../../../control-plane/store/store.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Lets `ms` milliseconds pass, where time is virtual; absent: real time passes by itself. */
  readonly advance?: (ms: number) => Promise<void>;
  readonly cleanup: () => Promise<void>;
}

export const put = (key: string, value: string, revision?: number, lease?: string): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'put', key, value, lease }],
});
export const remove = (key: string, revision?: number): Txn => ({
  guards: revision === undefined ? [] : [{ key, revision }],
  writes: [{ type: 'delete', key }],
});
export const eventKey = (event: StoreEvent): string => (event.type === 'put' ? event.item.key : event.key);
export const told = (event: StoreEvent): string =>
  event.type === 'put'
    ? `${event.item.revision} ${event.item.key}=${event.item.value}`
    : `${event.revision} -${event.key}`;

/** In a `describe`: a store of its own for each of the tests, and what they do with it. */
export function eachTestItsStore(make: () => Promise<StoreUnderTest>) {
  let subject: StoreUnderTest;
  let store: Store;
  let stop: AbortController;
  beforeEach(async () => {
    subject = await make();
    store = subject.store;
    stop = new AbortController();
    setMaxListeners(0, stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await subject.cleanup();
  });

  const ok = async (txn: Txn): Promise<number> => {
    const result = await store.txn(txn);
    if (!result.ok) throw new Error(`refused: ${JSON.stringify([...result.current])}`);
    return result.revision;
  };
  const value = async (key: string): Promise<string | undefined> => (await store.get(key)).item?.value;
  /** Gathers what a watch sends, until the test ends. */
  const follow = (prefix: string, from: number, signal: AbortSignal = stop.signal) => {
    const batches: StoreBatch[] = [];
    const result = { batches, events: () => batches.flatMap((batch) => batch.events), error: undefined as unknown };
    const done = (async () => {
      for await (const batch of store.watch(prefix, from, signal)) batches.push(batch);
    })().catch((error: unknown) => {
      result.error = error;
    });
    return Object.assign(result, { done });
  };
  return {
    get store() {
      return store;
    },
    get advance() {
      return subject.advance;
    },
    ok,
    value,
    follow,
  };
}

export type StoreSubject = ReturnType<typeof eachTestItsStore>;
