import { backoffMs } from '../../../shared/backoff.ts';
import { type Clock, pause } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { KindDef, KindId, ObjectTypes } from '../../../shared/kinds/kind.ts';
import type { Log } from '../../../shared/log.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Random } from '../../../shared/random.ts';
import { KeyParser, kindPrefix, registryPrefix, storePrefix, tickKey } from '../keys.ts';
import { type Item, keyOfEvent, type Store, type StoreBatch, type StoreEvent } from '../store.ts';
import { Broadcaster, type CacheBatch, type CacheEvent, tooOld } from './broadcaster.ts';
import { ObjectReader } from './field-sets.ts';
import { initialBatches } from './initial-batches.ts';
import { packed, packedBytes, packFrom, withRevision } from './packed.ts';
import { ShownRevision } from './shown-revision.ts';
import { CacheState, type Memory } from './state.ts';
import type { SubscribeFilter, SubscribeOptions } from './subscription.ts';

/** The default of `window`. */
const defaultWindow = 8192;
/** The most objects of a page while loading. */
const loadPage = 1000;
/** The most characters of stored text in it. */
const loadSize = 8 * 1024 * 1024;
/** About the memory of a packed object on the heap, in bytes. */
const outlineBytes = 4096;
/** Between two attempts to watch or to load. */
const retry = { firstMs: 50, capMs: 5000 };
/** How often subscribers without events get the revision. */
const defaultProgressMs = 5000;
/** How long a request waits for a revision before the cache writes a tick to the store (see #tick). */
const patienceMs = 100;

/** What the cache must know of a kind. */
export type CachedKind = Pick<KindDef, 'id' | 'group' | 'plural' | 'namespaced'>;

export interface WatchCacheDeps {
  /** The kinds that it holds at first. */
  readonly kinds: readonly CachedKind[];
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How many recent events are kept for subscribers. */
  readonly window?: number;
  /** Milliseconds between two batches without events. */
  readonly progressMs?: number;
}

/**
 * All objects in memory, kept up to date by one watch of the store, and the broadcast of their changes.
 *
 *     store.list ─┐              ┌─ get, list, count                    shared objects: never change them
 *                 ├─► CacheState ┤
 *     store.watch ┘              └─ Broadcaster ─► subscribe × thousands
 *
 * Values are parsed once; large ones are held as bytes (`packed.ts`). An object in the cache has the revision of its last write as
 * its resourceVersion. The state moves from one whole revision to a later whole one.
 *
 * When the store has compacted a revision that the watch needs, the cache loads all objects again and ends its subscribers with
 * Expired: the events in between are lost.
 */
export class WatchCache {
  readonly #deps: WatchCacheDeps;
  readonly #broadcaster: Broadcaster;
  readonly #reader = new ObjectReader();
  readonly #kinds: Map<KindId, CachedKind>;
  readonly #keys: KeyParser<CachedKind>;
  /** How often kinds were added or removed. */
  #kindChanges = 0;
  /** Kinds that were added later: a watch cannot begin before the revision at which they were loaded. */
  readonly #since = new Map<KindId, number>();
  /** The keys that changed while their kind is loaded. */
  readonly #loading = new Map<KindId, Set<string>>();
  #state: CacheState;
  readonly #shown: ShownRevision;
  #ticking = false;

  constructor(deps: WatchCacheDeps) {
    this.#deps = deps;
    this.#kinds = new Map(deps.kinds.map((kind) => [kind.id, kind]));
    this.#keys = new KeyParser(deps.kinds);
    this.#shown = new ShownRevision(deps.clock);
    this.#state = new CacheState(this.#kinds.keys());
    this.#broadcaster = new Broadcaster(deps.window ?? defaultWindow);
  }

  /** Loads and follows the store until aborted; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const progress = this.#progress(signal);
    let loaded = false;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        if (!loaded) await this.#load(signal);
        loaded = true;
        for await (const batch of this.#deps.store.watch(storePrefix, this.#shown.revision, signal)) {
          attempt = 0;
          this.#apply(batch);
        }
      } catch (error) {
        if (signal.aborted) break;
        if (isApiError(error, 'Expired')) loaded = false;
        log.warn({ rev: this.#shown.revision, reload: !loaded, err: messageOf(error) }, 'the watch of the store broke');
      }
      if (!signal.aborted) await pause(clock, backoffMs(attempt, retry, random), signal);
    }
    await progress;
  }

  /** Resolves once the first load is complete; rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void> {
    return this.#shown.reached(1, signal);
  }

  /** The revision that the cache shows; it never decreases. 0 before the first load. */
  get revision(): number {
    return this.#shown.revision;
  }

  /** The oldest revision from which a watch can begin. */
  get oldest(): number {
    return this.#broadcaster.oldest;
  }

  /**
   * Resolves once the cache shows everything up to `revision`. Rejects with Timeout, in Kubernetes' words, after `timeoutMs`, and with
   * the signal's reason.
   */
  async waitFor(revision: number, signal: AbortSignal, timeoutMs = 3000): Promise<void> {
    if (this.#shown.revision >= revision && this.#shown.revision > 0) return;
    const { clock } = this.#deps;
    const patience = clock.timer(Math.min(patienceMs, timeoutMs / 2), () => this.#tick());
    try {
      await this.#shown.reached(Math.max(1, revision), signal, timeoutMs);
    } finally {
      patience.cancel();
    }
  }

  get<K extends KindId>(kind: K, key: string): ObjectTypes[K] | undefined {
    return this.#state.get(kind, key) as ObjectTypes[K] | undefined;
  }

  /** In key order. The array is a snapshot and never changes; the objects are shared. */
  list<K extends KindId>(kind: K, namespace?: string): readonly ObjectTypes[K][] {
    return this.#state.list(kind, namespace) as unknown as readonly ObjectTypes[K][];
  }

  count(kind: KindId, namespace?: string): number {
    return this.#state.count(kind, namespace);
  }

  /** About the size of an object of this cache as text, in bytes; of a small one rather more. */
  sizeOf(object: KubeObject): number {
    return packedBytes(object) || this.#state.cost(object);
  }

  /** The memory of the objects. */
  get memory(): Memory {
    return this.#state.memory;
  }

  /**
   * The changes of some kinds in batches of whole revisions, without a gap. From 'initial' the present objects come first,
   * as ADDED in batches with `initial`, the last of them with `synced`. From a revision N: everything after N; if one
   * transaction changed several objects of these kinds at N, all of N comes again, since a reader that takes one event
   * at a time may have seen only a part of it. A batch without events carries the present revision.
   *
   * Ends quietly by the signal. Throws Expired when N is older than the window, when the subscriber falls behind by
   * more than `maxBuffered` events or by the window, and when the cache loads all objects again; Timeout when N is ahead of the store.
   */
  subscribe<K extends KindId>(
    filter: SubscribeFilter<K>,
    options: SubscribeOptions,
    signal: AbortSignal,
  ): AsyncGenerator<CacheBatch<K>, void, void> {
    // A subscription has events of the filter's kinds only.
    return this.#subscribe(filter, options, signal) as AsyncGenerator<CacheBatch<K>, void, void>;
  }

  async *#subscribe(
    filter: SubscribeFilter,
    options: SubscribeOptions,
    signal: AbortSignal,
  ): AsyncGenerator<CacheBatch, void, void> {
    const { kinds, from } = filter;
    try {
      await this.ready(signal);
      if (from !== 'initial') await this.waitFor(from, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const revision = this.#shown.revision;
    const initial = from === 'initial';
    for (const kind of kinds) {
      const since = this.#since.get(kind) ?? 0;
      if (!initial && from < since) throw tooOld(from, since);
    }
    const present = initial ? kinds.map((kind) => [kind, this.#state.list(kind)] as const) : [];
    const subscription = this.#broadcaster.follow(kinds, initial ? undefined : from, revision, options, signal);
    try {
      if (initial) yield* initialBatches(present, revision, (object) => this.sizeOf(object), signal);
      yield* subscription.batches();
    } finally {
      subscription.close();
    }
  }

  /**
   * Loads the objects of a further kind, and follows them from then on. They are complete when it resolves; a watch of them can
   * begin at the revision of that moment or a later one. Rejects with the signal's reason, or when the store cannot be read.
   */
  async addKind(kind: CachedKind, signal: AbortSignal): Promise<void> {
    await this.ready(signal);
    if (this.#kinds.has(kind.id)) throw new Error(`the cache has ${kind.id} already`);
    this.#kindChanges++;
    this.#kinds.set(kind.id, kind);
    this.#keys.add(kind);
    this.#state.add(kind.id);
    try {
      // A load of all objects may have begun without the kind and ended meanwhile.
      for (let state: CacheState | undefined; state !== this.#state; ) {
        state = this.#state;
        await this.#loadKind(kind, state, signal);
      }
    } catch (error) {
      this.removeKind(kind.id);
      throw error;
    } finally {
      this.#loading.delete(kind.id);
    }
    this.#since.set(kind.id, this.#shown.revision);
  }

  /** Drops the objects of a kind, and ends its subscriptions with Expired. */
  removeKind(id: KindId): void {
    const kind = this.#kinds.get(id);
    if (!kind) return;
    this.#kindChanges++;
    this.#kinds.delete(id);
    this.#keys.remove(kind);
    this.#state.remove(id);
    this.#since.delete(id);
    this.#broadcaster.end(id);
  }

  /** Loads the kind at the revision that the cache shows. Objects that the watch changes meanwhile are newer, and stay. */
  async #loadKind(kind: CachedKind, state: CacheState, signal: AbortSignal): Promise<void> {
    const changed = new Set<string>();
    this.#loading.set(kind.id, changed);
    const revision = this.#shown.revision;
    let after: string | undefined;
    do {
      const options = { limit: loadPage, size: loadSize, after, revision };
      const page = await this.#deps.store.list(kindPrefix(kind), options);
      signal.throwIfAborted();
      for (const item of page.items) {
        const event = this.#eventOf({ type: 'put', item });
        if (event?.kind === kind.id && !changed.has(event.key)) state.set(kind.id, event.key, event.object, event.cost);
      }
      after = page.remaining === 0 ? undefined : page.items.at(-1)?.key;
    } while (after !== undefined && state === this.#state);
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { store, log, clock } = this.#deps;
    const began = clock.monotonic();
    const changes = this.#kindChanges;
    const state = new CacheState(this.#kinds.keys());
    const newest: CacheEvent[] = [];
    let revision: number | undefined;
    let after: string | undefined;
    let count = 0;
    for (;;) {
      const page = await store.list(registryPrefix, { limit: loadPage, size: loadSize, after, revision });
      signal.throwIfAborted();
      revision = page.revision;
      if (revision < this.#shown.revision)
        throw new ApiError('ServiceUnavailable', `the store is behind: at ${revision}`);
      for (const item of page.items) {
        const event = this.#eventOf({ type: 'put', item });
        if (!event) continue;
        state.set(event.kind, event.key, event.object, event.cost);
        if (item.revision === revision)
          newest.push({ ...event, type: item.created === revision ? 'ADDED' : 'MODIFIED' });
        count++;
      }
      after = page.items.at(-1)?.key;
      if (page.remaining === 0 || after === undefined) break;
    }
    // Some of its pages were read with other kinds.
    if (changes !== this.#kindChanges) return this.#load(signal);
    this.#state = state;
    this.#broadcaster.restart(revision, newest);
    this.#shown.advance(revision);
    log.info({ rev: revision, objects: count, ms: Math.round(clock.monotonic() - began) }, 'loaded the store');
  }

  #apply(batch: StoreBatch): void {
    if (batch.revision <= this.#shown.revision) return;
    const events: CacheEvent[] = [];
    for (const stored of batch.events) {
      if (this.#loading.size > 0) this.#noteChange(stored);
      const event = this.#eventOf(stored);
      if (!event) continue;
      if (event.type === 'DELETED') this.#state.delete(event.kind, event.key);
      else this.#state.set(event.kind, event.key, event.object, event.cost);
      events.push(event);
    }
    this.#broadcaster.publish(events, batch.revision);
    this.#shown.advance(batch.revision);
  }

  #noteChange(stored: StoreEvent): void {
    const parsed = this.#keys.parse(keyOfEvent(stored));
    if (parsed) this.#loading.get(parsed.kind.id)?.add(parsed.key);
  }

  /** Undefined for keys of no object, for a value that cannot be read, and for the deletion of an unknown object. */
  #eventOf(stored: StoreEvent): CacheEvent | undefined {
    const parsed = this.#keys.parse(keyOfEvent(stored));
    if (!parsed) return undefined;
    const kind = parsed.kind.id;
    const { key } = parsed;
    const before = this.#state.get(kind, key);
    if (stored.type === 'delete') {
      if (!before) return undefined;
      const { revision } = stored;
      const object = withRevision(before, revision);
      return { type: 'DELETED', kind, key, before, object, revision, cost: outlineBytes };
    }
    const { revision } = stored.item;
    if (before && before.metadata.resourceVersion === String(revision)) {
      return { type: 'MODIFIED', kind, key, before, object: before, revision, cost: this.#state.cost(before) };
    }
    const decoded = this.#decode(stored.item);
    return decoded && { type: before ? 'MODIFIED' : 'ADDED', kind, key, before, ...decoded, revision };
  }

  #decode({ key, value, revision }: Item): { object: KubeObject; cost: number } | undefined {
    try {
      if (value.length > packFrom) {
        const object = packed(value, revision, (text) => checked(JSON.parse(text)));
        return { object, cost: outlineBytes };
      }
      const object = checked(this.#reader.read(value));
      object.metadata.resourceVersion = String(revision);
      return { object, cost: this.#reader.cost };
    } catch (error) {
      this.#deps.log.error({ key, rev: revision, err: messageOf(error) }, 'an object cannot be read');
      return undefined;
    }
  }

  /**
   * Writes a key under the watched prefix. Other programs' writes increase the store's revision without an event for this watch; the
   * event of this write shows that the watch has seen all revisions before it.
   */
  #tick(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    const { store, log } = this.#deps;
    store
      .txn({ guards: [], writes: [{ type: 'put', key: tickKey, value: '' }] })
      .catch((error: unknown) => log.debug({ err: messageOf(error) }, 'the tick was not written'))
      .finally(() => {
        this.#ticking = false;
      });
  }

  async #progress(signal: AbortSignal): Promise<void> {
    const { clock, progressMs = defaultProgressMs } = this.#deps;
    while (!signal.aborted) {
      await pause(clock, progressMs, signal);
      this.#broadcaster.sendProgress(this.#shown.revision);
    }
  }
}

function checked(object: unknown): KubeObject {
  if (typeof object !== 'object' || object === null || !('metadata' in object)) throw new Error('not an object');
  return object as KubeObject;
}
