import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Random } from '../../../shared/random.ts';
import { checkTxn, maxTxnOps } from '../limits.ts';
import type { Guard, Item, ListOptions, Page, Store, StoreBatch, StoreEvent, Txn, TxnResult, Write } from '../store.ts';
import { type SecretKey, seal, sealedWith, unseal } from './cipher.ts';
import { firstRing, nextRing, type Ring, readRing, ringKey, writeRing } from './ring.ts';
import type { RootKeys } from './root-keys.ts';

/** The most retries of a write whose key is no longer the active one. */
const maxTries = 5;
/** The most values that are sealed again in one step. */
const resealPage = 100;
/** The most characters of them. */
const resealSize = 8 * 1024 * 1024;

export interface EncryptionDeps {
  readonly roots: RootKeys;
  /** Values under these prefixes are sealed. */
  readonly prefixes: readonly string[];
  readonly random: Random;
  readonly log: Log;
}

/**
 * A store that encrypts the values under some prefixes in the store beneath it:
 *
 *     callers ── text ──► EncryptedStore ── coracle:enc:v1:KEYID:… ──► Store
 *                             │   ▲
 *                     seals with the ring's active key, opens with any of it
 *
 * Several servers may share the store. It contains the ring of keys, so all servers can read a key before it is used; each sealed write
 * compares the ring's revision, so no value is sealed with a key that was replaced. Older values in clear text are read as they are,
 * and values under other prefixes are passed on.
 */
export class EncryptedStore implements Store {
  readonly #inner: Store;
  readonly #deps: EncryptionDeps;
  #ring: Ring;
  /** All keys that were ever read: a value at an older revision may be sealed with one that has left the ring. */
  readonly #keys = new Map<string, SecretKey>();
  readonly #unknown = new Set<string>();
  #reading: Promise<Ring> | undefined;

  private constructor(inner: Store, deps: EncryptionDeps, ring: Ring) {
    this.#inner = inner;
    this.#deps = deps;
    this.#ring = ring;
    this.#take(ring);
  }

  /** Creates the first ring, and a root key if there is none. Throws ServiceUnavailable when the present ring cannot be opened. */
  static async open(inner: Store, deps: EncryptionDeps): Promise<EncryptedStore> {
    const { roots, random } = deps;
    let { item } = await inner.get(ringKey);
    if (!item) {
      if ((await roots.all()).length === 0) await roots.add();
      const value = await writeRing(firstRing(random), roots, random);
      const guards = [{ key: ringKey, revision: 0 }];
      await inner.txn({ guards, writes: [{ type: 'put', key: ringKey, value }] });
      ({ item } = await inner.get(ringKey));
      if (!item) throw new ApiError('ServiceUnavailable', 'the ring of keys was removed from the store');
    }
    return new EncryptedStore(inner, deps, await readRing(item, roots));
  }

  get ring(): Ring {
    return this.#ring;
  }

  async get(key: string): Promise<{ item?: Item; revision: number }> {
    const read = await this.#inner.get(key);
    if (!read.item || sealedWith(read.item.value) === undefined) return read;
    return { ...read, item: await this.#opened(read.item) };
  }

  async list(prefix: string, options?: ListOptions): Promise<Page> {
    const page = await this.#inner.list(prefix, options);
    if (!page.items.some(isSealed)) return page;
    return { ...page, items: await this.#openedAll(page.items) };
  }

  txn(txn: Txn): Promise<TxnResult> {
    return this.#touches(txn) ? this.#txn(txn) : this.#inner.txn(txn);
  }

  async txns(txns: readonly Txn[]): Promise<TxnResult[]> {
    if (!txns.some((txn) => this.#touches(txn))) return this.#inner.txns(txns);
    for (const txn of txns) checkTxn(txn);
    const sealed: Txn[] = [];
    for (const txn of txns) sealed.push(this.#touches(txn) ? await this.#sealedTxn(txn) : txn);
    const results: TxnResult[] = [];
    for (const [i, result] of (await this.#inner.txns(sealed)).entries()) {
      const clear = await this.#clear(result, sealed[i] as Txn);
      results.push(clear ?? (await this.#txn(txns[i] as Txn)));
    }
    return results;
  }

  async *watch(prefix: string, from: number, signal: AbortSignal): AsyncIterable<StoreBatch> {
    for await (const batch of this.#inner.watch(prefix, from, signal)) {
      if (!batch.events.some((event) => event.type === 'put' && isSealed(event.item))) {
        yield batch;
        continue;
      }
      const events: StoreEvent[] = [];
      for (const event of batch.events) {
        events.push(event.type === 'put' ? { type: 'put', item: await this.#openedOr(event.item) } : event);
      }
      yield { ...batch, events };
    }
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

  /**
   * Activates a new key, seals all values with it, and drops unused keys; the previous one stays for readers of older revisions. The
   * next `settle` completes a rotation that was interrupted. Returns the number of values that were sealed again. Throws Conflict when
   * the keys are changed concurrently.
   */
  async rotate(signal: AbortSignal): Promise<number> {
    await this.#readRing();
    // Only then no value needs the dropped keys.
    await this.settle(signal);
    await this.#replaceRing(nextRing(this.#ring, this.#deps.random));
    return this.settle(signal);
  }

  /** Seals all values with the active key: those in clear text, and those that an interrupted rotation left. */
  async settle(signal: AbortSignal): Promise<number> {
    if (this.#ring.settled) return 0;
    let count = 0;
    for (const prefix of this.#deps.prefixes) count += await this.#reseal(prefix, signal);
    // It is refused if the active key changed meanwhile.
    await this.#replaceRing({ ...this.#ring, settled: true });
    return count;
  }

  async #replaceRing(next: Omit<Ring, 'revision'>): Promise<void> {
    const { roots, random } = this.#deps;
    const value = await writeRing(next, roots, random);
    const guards = [{ key: ringKey, revision: this.#ring.revision }];
    const { ok } = await this.#inner.txn({ guards, writes: [{ type: 'put', key: ringKey, value }] });
    await this.#readRing();
    const done = this.#ring.active.id === next.active.id && (this.#ring.settled || !next.settled);
    if (!ok && !done) throw new ApiError('Conflict', 'another process changed the keys of the store: try again');
  }

  async #reseal(prefix: string, signal: AbortSignal): Promise<number> {
    let count = 0;
    let after: string | undefined;
    for (;;) {
      signal.throwIfAborted();
      const page = await this.#inner.list(prefix, {
        limit: resealPage,
        size: resealSize,
        ...(after === undefined ? {} : { after }),
      });
      for (const item of page.items) if (await this.#resealOne(item)) count++;
      after = page.items.at(-1)?.key;
      if (page.remaining === 0 || after === undefined) return count;
    }
  }

  /** Guarded by the value's revision: a concurrent writer seals with the active key too. */
  async #resealOne(found: Item): Promise<boolean> {
    const { key } = found;
    let item: Item | undefined = found;
    for (let attempt = 0; item && attempt < maxTries; attempt++) {
      if (sealedWith(item.value) === this.#ring.active.id) return false;
      const { value, revision } = await this.#opened(item);
      const write: Write = { type: 'put', key, value, keepLease: true };
      if ((await this.txn({ guards: [{ key, revision }], writes: [write] })).ok) return true;
      ({ item } = await this.#inner.get(key));
    }
    if (item) throw new ApiError('Conflict', `${key} was changed too often to be sealed anew`);
    return false;
  }

  async #txn(txn: Txn): Promise<TxnResult> {
    checkTxn(txn);
    for (let attempt = 0; attempt < maxTries; attempt++) {
      const sealed = await this.#sealedTxn(txn);
      const result = await this.#clear(await this.#inner.txn(sealed), sealed);
      if (result !== undefined) return result;
    }
    throw new ApiError('ServiceUnavailable', 'the keys of the store change too often to write with them');
  }

  #touches(txn: Txn): boolean {
    return (
      txn.writes.some((write) => write.type === 'put' && this.#covers(write.key)) ||
      txn.guards.some(({ key }) => this.#covers(key))
    );
  }

  #covers(key: string): boolean {
    return this.#deps.prefixes.some((prefix) => key.startsWith(prefix));
  }

  async #sealedTxn(txn: Txn): Promise<Txn> {
    if (!txn.writes.some((write) => write.type === 'put' && this.#covers(write.key))) return txn;
    // Without room for one more guard, the ring is read instead.
    const full = txn.guards.length === maxTxnOps;
    if (full) await this.#readRing();
    const { active, revision } = this.#ring;
    const { random } = this.#deps;
    const writes = txn.writes.map((write) =>
      write.type === 'put' && this.#covers(write.key)
        ? { ...write, value: seal(active, write.key, write.value, random) }
        : write,
    );
    const guard: Guard = { key: ringKey, revision };
    return { guards: full ? txn.guards : [...txn.guards, guard], writes };
  }

  /** The result without the ring's guard; undefined, with the ring read again, when that guard failed. */
  async #clear(result: TxnResult, sent: Txn): Promise<TxnResult | undefined> {
    if (result.ok) return result;
    const own = sent.guards.find(({ key }) => key === ringKey);
    if (own && result.current.get(ringKey)?.revision !== own.revision) {
      await this.#readRing();
      return undefined;
    }
    const current = new Map<string, Item>();
    for (const [key, item] of result.current) if (key !== ringKey) current.set(key, await this.#openedOr(item));
    return { ...result, current };
  }

  async #openedAll(items: readonly Item[]): Promise<Item[]> {
    const opened: Item[] = [];
    for (const item of items) opened.push(isSealed(item) ? await this.#openedOr(item) : item);
    return opened;
  }

  /** A value that cannot be opened stays as it is, so that others can be read: readers find no object in it. */
  async #openedOr(item: Item): Promise<Item> {
    try {
      return await this.#opened(item);
    } catch (error) {
      if (!isApiError(error, 'InternalError')) throw error;
      this.#deps.log.error(
        { key: item.key, rev: item.revision, err: messageOf(error) },
        'a sealed value cannot be read',
      );
      return item;
    }
  }

  /** Throws InternalError when it cannot be opened. */
  async #opened(item: Item): Promise<Item> {
    const id = sealedWith(item.value);
    if (id === undefined) return item;
    const key = this.#keys.get(id) ?? (await this.#look(id));
    if (!key) throw new ApiError('InternalError', `the key ${id}, which ${item.key} is encrypted with, is lost`);
    return { ...item, value: unseal(key, item.key, item.value) };
  }

  /** A key is in the ring before it is used: an unknown one is not in the store either. */
  async #look(id: string): Promise<SecretKey | undefined> {
    if (this.#unknown.has(id)) return undefined;
    // A concurrent read of the ring may have begun before the key was added. If it fails, the next one reports it.
    await this.#reading?.catch(() => undefined);
    await this.#readRing();
    const found = this.#keys.get(id);
    if (!found) this.#unknown.add(id);
    return found;
  }

  #readRing(): Promise<Ring> {
    this.#reading ??= this.#fetchRing().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #fetchRing(): Promise<Ring> {
    const { item } = await this.#inner.get(ringKey);
    if (!item) throw new ApiError('ServiceUnavailable', 'the ring of keys was removed from the store');
    if (item.revision !== this.#ring.revision) this.#take(await readRing(item, this.#deps.roots));
    return this.#ring;
  }

  #take(ring: Ring): void {
    this.#ring = ring;
    for (const key of ring.keys) this.#keys.set(key.id, key);
  }
}

function isSealed({ value }: Item): boolean {
  return sealedWith(value) !== undefined;
}
