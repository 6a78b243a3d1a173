/**
 * Where the cluster's state lives. Two implementations, `etcd.ts` and `memory.ts`, pass one contract suite
 * (`test/contract/store.ts`). Keys are paths under one prefix, values are JSON text. A revision is the
 * store's logical time: it grows by one with every commit (etcd's `mod_revision`). Transactions that come together may be
 * committed together: then they share a revision.
 *
 * Errors, as ApiError: `Expired` when a revision asked for has been compacted; `ServiceUnavailable` when the store
 * can't be reached in time (a write may then have happened or not); `Timeout` when a deadline passed, or for a revision
 * that is still to come; `NotFound` for a write with a lease that is no more; `BadRequest` and `RequestEntityTooLarge` for a
 * transaction beyond the limits.
 */
export interface Store {
  get(key: string): Promise<{ item?: Item; revision: number }>;
  /** A page of the keys under `prefix`, in key order. */
  list(prefix: string, options?: ListOptions): Promise<Page>;
  /** Atomically: when all guards hold, all writes are done. At most 128 guards and 128 writes, no key written twice. */
  txn(txn: Txn): Promise<TxnResult>;
  /**
   * Many transactions, each of which holds or fails by itself, in few round trips. One that guards or writes what an
   * earlier one of them wrote sees that write. When it throws, some of them may have happened.
   */
  txns(txns: readonly Txn[]): Promise<TxnResult[]>;
  /**
   * Every change under `prefix` after revision `from`, in order, with no gap and no repetition, through disconnects:
   * it ends only by the signal (quietly) or by throwing: `Expired` when `from` or the place it had come to has been
   * compacted. The iterator yields one batch for whole revisions: all events of a revision come in one batch.
   * An empty batch tells progress: nothing up to its revision is still to come.
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch>;
  /** A lease of `ttlSeconds`: keys written with it vanish when it is not kept alive for so long. */
  grantLease(ttlSeconds: number): Promise<string>;
  /** Renews it. False when it has expired or never was. */
  keepAlive(lease: string): Promise<boolean>;
  revokeLease(lease: string): Promise<void>;
  /** Forgets history before `revision`. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
}

export interface Item {
  readonly key: string;
  readonly value: string;
  /** The revision of its last change. */
  readonly revision: number;
  /** The revision that it was created at. */
  readonly created: number;
}

export interface ListOptions {
  /** The most items of the page. Absent: all of them (implementations still read in bounded pages). */
  readonly limit?: number;
  /** The page ends behind the item with which its values come to so many characters. Absent: it does not. */
  readonly size?: number;
  /** Only keys after this one. */
  readonly after?: string;
  /** Read at this revision. Absent: the newest. */
  readonly revision?: number;
}

export interface Page {
  readonly items: readonly Item[];
  /** The revision that the page shows; ask for the next page at it. */
  readonly revision: number;
  /** How many keys lie behind the page. */
  readonly remaining: number;
}

export interface Txn {
  readonly guards: readonly Guard[];
  readonly writes: readonly Write[];
}

/** `revision` 0: the key must not exist. */
export interface Guard {
  readonly key: string;
  readonly revision: number;
}

export type Write =
  /** A put takes the key off the lease it hangs on, unless it names a lease, or `keepLease` keeps the present one: the key must then exist. */
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: string;
      readonly lease?: string;
      readonly keepLease?: boolean;
    }
  | { readonly type: 'delete'; readonly key: string };

export type TxnResult =
  | { readonly ok: true; readonly revision: number }
  /** Some guard did not hold. `current` has the guarded keys that exist, as they are. */
  | { readonly ok: false; readonly revision: number; readonly current: ReadonlyMap<string, Item> };

export interface StoreBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export type StoreEvent =
  | { readonly type: 'put'; readonly item: Item }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number };
