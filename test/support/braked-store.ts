import type {
  Item,
  ListOptions,
  Page,
  Store,
  StoreBatch,
  StoreEvent,
  Txn,
  TxnResult,
} from '../../control-plane/store/store.ts';
import { WatchBrake, WriteBrake } from './brake.ts';

/**
 * A store whose watches, lists and writes a test can hold, lose and fail; `get` and guards always see the true state,
 * as etcd's do. Without a command it behaves as the store below it.
 */
export class BrakedStore implements Store {
  readonly #inner: Store;
  readonly watches = new WatchBrake<StoreEvent>();
  readonly writes = new WriteBrake<Txn>();
  /** When set, lists that name no revision show the state of this one, as a member that is behind answers. */
  listRevision: number | undefined;
  /** When set, lists have only the items that pass. */
  listed: ((item: Item) => boolean) | undefined;

  constructor(inner: Store) {
    this.#inner = inner;
  }

  get(key: string): Promise<{ item?: Item; revision: number }> {
    return this.#inner.get(key);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<Page> {
    const page = await this.#inner.list(prefix, { ...options, revision: options.revision ?? this.listRevision });
    return this.listed ? { ...page, items: page.items.filter(this.listed) } : page;
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.writes.through([txn], () => this.#inner.txn(txn));
  }

  txns(txns: readonly Txn[]): Promise<TxnResult[]> {
    return this.writes.through(txns, () => this.#inner.txns(txns));
  }

  watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    return this.watches.through((either) => this.#inner.watch(prefix, from, either), signal);
  }

  grantLease(ttlSeconds: number): Promise<string> {
    return this.#inner.grantLease(ttlSeconds);
  }

  keepAlive(lease: string): Promise<boolean> {
    return this.#inner.keepAlive(lease);
  }

  revokeLease(lease: string): Promise<void> {
    return this.#inner.revokeLease(lease);
  }

  compact(revision: number): Promise<void> {
    return this.#inner.compact(revision);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** For `WriteFault.match`: transactions that write a key which ends so, `/pods/default/web`. */
export function writesTo(ending: string): (txn: Txn) => boolean {
  return (txn) => txn.writes.some(({ key }) => key.endsWith(ending));
}
