import type { Clock } from '../../shared/clock.ts';
import { ApiError } from '../../shared/errors.ts';
import { checkTxn, chunkTxns, closed, compacted, tooLarge } from './limits.ts';
import { Signal } from './signal.ts';
import { lowerBound, SortedMap } from './sorted-map.ts';
import {
  type Item,
  keyOfEvent,
  type ListOptions,
  type Page,
  type Store,
  type StoreBatch,
  type StoreEvent,
  type Txn,
  type TxnResult,
  type Write,
} from './store.ts';

/** The most events of a batch of a watch (more if one revision has more). */
const batchEvents = 1000;

/** A state of a key from a revision on. No item: the key does not exist. */
interface Version {
  readonly revision: number;
  readonly item?: Item;
}

interface Lease {
  readonly ttlMs: number;
  expires: number;
  readonly keys: Set<string>;
}

/**
 * The store in memory, with etcd's behaviour, for tests and simulations. Operations take effect in the order of the calls, and
 * answer on a microtask: on a virtual clock every run is the same.
 */
export class MemoryStore implements Store {
  readonly #clock: Clock;
  /** All states of a key since the last compaction, oldest first; the last one is the present. */
  readonly #history = new SortedMap<Version[]>();
  readonly #leases = new Map<string, Lease>();
  readonly #leaseOf = new Map<string, string>();
  readonly #changed = new Signal();
  /** One entry a revision, in order, from just after `#compacted`. */
  #log: StoreBatch[] = [];
  #revision = 1;
  #compacted = 0;
  #lastLease = 0;
  #closed = false;

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
  }

  async get(key: string): Promise<{ item?: Item; revision: number }> {
    this.#check();
    return { item: this.#present(key), revision: this.#revision };
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Page> {
    this.#check();
    const revision = options.revision || this.#revision;
    if (revision > this.#revision) throw tooLarge(revision, this.#revision);
    if (revision < this.#compacted) throw compacted(revision);
    const keys = this.#history.keys();
    const items: Item[] = [];
    let remaining = 0;
    let size = 0;
    const start = options.after !== undefined && options.after >= prefix ? `${options.after}\0` : prefix;
    for (let i = lowerBound(keys, start); i < keys.length; i++) {
      const key = keys[i] as string;
      if (!key.startsWith(prefix)) break;
      const item = this.#at(key, revision);
      if (!item) continue;
      const full = (options.limit && items.length >= options.limit) || (options.size && size >= options.size);
      if (full) remaining++;
      else items.push(item);
      if (!full) size += item.value.length;
    }
    return { items, revision, remaining };
  }

  async txn(txn: Txn): Promise<TxnResult> {
    this.#check();
    checkTxn(txn);
    return this.#commit([txn])[0] as TxnResult;
  }

  async txns(txns: readonly Txn[]): Promise<TxnResult[]> {
    this.#check();
    for (const txn of txns) checkTxn(txn);
    return chunkTxns(txns).flatMap((chunk) => this.#commit(chunk));
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    let position = from;
    while (!signal.aborted) {
      this.#check();
      if (position < this.#compacted) throw compacted(position);
      if (position >= this.#revision) {
        await this.#changed.wait(signal);
        continue;
      }
      const events: StoreEvent[] = [];
      let index = position - (this.#log[0]?.revision ?? 0) + 1;
      if (index < 0) index = 0;
      for (; index < this.#log.length && events.length < batchEvents; index++) {
        const batch = this.#log[index] as StoreBatch;
        position = batch.revision;
        for (const event of batch.events) if (keyOfEvent(event).startsWith(prefix)) events.push(event);
      }
      yield { revision: position, events };
    }
  }

  async grantLease(ttlSeconds: number): Promise<string> {
    this.#check();
    const id = String(++this.#lastLease);
    const ttlMs = ttlSeconds * 1000;
    const lease: Lease = { ttlMs, expires: this.#clock.monotonic() + ttlMs, keys: new Set() };
    this.#leases.set(id, lease);
    this.#expireLater(id, lease);
    return id;
  }

  async keepAlive(id: string): Promise<boolean> {
    this.#check();
    const lease = this.#leases.get(id);
    if (!lease) return false;
    lease.expires = this.#clock.monotonic() + lease.ttlMs;
    return true;
  }

  async revokeLease(id: string): Promise<void> {
    this.#check();
    const lease = this.#leases.get(id);
    if (lease) this.#endLease(id, lease);
  }

  async compact(revision: number): Promise<void> {
    this.#check();
    if (revision > this.#revision) throw tooLarge(revision, this.#revision);
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    this.#log = this.#log.filter((batch) => batch.revision > revision);
    for (const key of this.#history.keys()) {
      const versions = this.#history.get(key) as Version[];
      const keep = versions.findLastIndex((version) => version.revision <= revision);
      if (keep > 0) versions.splice(0, keep);
      const only = versions.length === 1 ? versions[0] : undefined;
      if (only && !only.item && only.revision <= revision) this.#history.delete(key);
    }
    this.#changed.broadcast();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leases.clear();
    this.#changed.broadcast();
  }

  #check(): void {
    if (this.#closed) throw closed();
  }

  #present(key: string): Item | undefined {
    return this.#history.get(key)?.at(-1)?.item;
  }

  #at(key: string, revision: number): Item | undefined {
    return this.#history.get(key)?.findLast((version) => version.revision <= revision)?.item;
  }

  /** As etcd does with nested transactions: all guards are evaluated first, then all that hold write at one revision. */
  #commit(txns: readonly Txn[]): TxnResult[] {
    const holds = txns.map((txn) =>
      txn.guards.every((guard) => (this.#present(guard.key)?.revision ?? 0) === guard.revision),
    );
    for (const write of txns.flatMap((txn, i) => (holds[i] ? txn.writes : []))) {
      if (write.type === 'put' && write.lease !== undefined && !this.#leases.has(write.lease)) {
        throw new ApiError('NotFound', 'requested lease not found');
      }
    }
    const current = txns.map((txn, i) => (holds[i] ? undefined : this.#guarded(txn)));
    this.#apply(txns.flatMap((txn, i) => (holds[i] ? txn.writes : [])));
    const revision = this.#revision;
    return current.map((items) => (items ? { ok: false, revision, current: items } : { ok: true, revision }));
  }

  #guarded(txn: Txn): Map<string, Item> {
    const current = new Map<string, Item>();
    for (const { key } of txn.guards) {
      const item = this.#present(key);
      if (item) current.set(key, item);
    }
    return current;
  }

  #apply(writes: readonly Write[]): void {
    const revision = this.#revision + 1;
    const events: StoreEvent[] = [];
    for (const write of writes) {
      const before = this.#present(write.key);
      if (write.type === 'put') {
        const item: Item = { key: write.key, value: write.value, revision, created: before?.created ?? revision };
        this.#record(write.key, { revision, item });
        events.push({ type: 'put', item });
      } else if (before) {
        this.#record(write.key, { revision });
        events.push({ type: 'delete', key: write.key, revision });
      }
      if (write.type === 'put' && write.keepLease) continue;
      this.#attach(write.key, write.type === 'put' ? write.lease : undefined);
    }
    if (events.length === 0) return;
    this.#revision = revision;
    this.#log.push({ revision, events });
    this.#changed.broadcast();
  }

  #record(key: string, version: Version): void {
    const versions = this.#history.get(key);
    if (versions) versions.push(version);
    else this.#history.set(key, [version]);
  }

  #attach(key: string, id: string | undefined): void {
    const old = this.#leaseOf.get(key);
    if (old !== undefined) this.#leases.get(old)?.keys.delete(key);
    this.#leaseOf.delete(key);
    if (id === undefined) return;
    this.#leases.get(id)?.keys.add(key);
    this.#leaseOf.set(key, id);
  }

  /** Checks again when the lease would have expired; a renewal only moves that moment. */
  #expireLater(id: string, lease: Lease): void {
    this.#clock.timer(lease.expires - this.#clock.monotonic(), () => {
      if (this.#leases.get(id) !== lease) return;
      if (lease.expires > this.#clock.monotonic()) this.#expireLater(id, lease);
      else this.#endLease(id, lease);
    });
  }

  #endLease(id: string, lease: Lease): void {
    this.#leases.delete(id);
    this.#apply([...lease.keys].sort().map((key) => ({ type: 'delete', key })));
  }
}
