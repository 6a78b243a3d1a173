/**
 * The cluster's state. Two implementations, `etcd/etcd-store.ts` and `memory.ts`, pass one contract suite
 * (`test/contract/store/`). Keys are paths under one prefix, values are JSON text. A revision is the
 * store's logical time: it grows by one with every commit (etcd's `mod_revision`). Concurrent transactions may share a commit,
 * and then a revision.
 *
 * Errors, as ApiError: `Expired` when a revision asked for has been compacted; `ServiceUnavailable` when the store
 * can't be reached in time (a write may then have happened or not); `Timeout` when a deadline passed, or for a
 * future revision; `NotFound` for a write with an expired lease; `BadRequest` and `RequestEntityTooLarge` for a
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
   * it ends only by the signal (quietly) or by throwing: `Expired` when `from` or the revision that it had reached has been
   * compacted. The iterator yields one batch for whole revisions: all events of a revision come in one batch.
   * An empty batch reports progress: no event up to its revision is missing.
   */
  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch>;
  /** A lease of `ttlSeconds`: its keys are deleted when it is not renewed for so long. */
  grantLease(ttlSeconds: number): Promise<string>;
  /** Renews the lease. False when it has expired or never existed. */
  keepAlive(lease: string): Promise<boolean>;
  revokeLease(lease: string): Promise<void>;
  /** Drops the history before `revision`. */
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
  /** The page ends with the item that makes its values so many characters long. Absent: no limit. */
  readonly size?: number;
  /** Only keys after this one. */
  readonly after?: string;
  /** Read at this revision. Absent: the newest. */
  readonly revision?: number;
}

export interface Page {
  readonly items: readonly Item[];
  /** The revision that the page was read at; the next page is read at the same one. */
  readonly revision: number;
  /** The number of keys after the page. */
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
  /** A put detaches the key from its lease, unless it names a lease or `keepLease` keeps the present one; then the key must exist. */
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
  /** A guard did not hold. `current`: the guarded keys that exist. */
  | { readonly ok: false; readonly revision: number; readonly current: ReadonlyMap<string, Item> };

export interface StoreBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export type StoreEvent =
  | { readonly type: 'put'; readonly item: Item }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number };

export function keyOfEvent(event: StoreEvent): string {
  return event.type === 'put' ? event.item.key : event.key;
}
