import { backoffMs } from '../../../shared/backoff.ts';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Kind, KindMap } from '../../../shared/generated/types.ts';
import type { Log } from '../../../shared/log.ts';
import { type KubeObject, keyOf } from '../../../shared/object.ts';
import type { Random } from '../../../shared/random.ts';
import { parseKey, registryPrefix, storePrefix, tickKey } from '../keys.ts';
import { tooLarge } from '../limits.ts';
import type { Item, Store, StoreBatch, StoreEvent } from '../store.ts';
import { Broadcaster, type CacheBatch, type CacheEvent } from './broadcaster.ts';
import { heapBytes, ObjectReader } from './field-sets.ts';
import { packed, packedBytes, packFrom, withRevision } from './packed.ts';
import { CacheState, type Memory } from './state.ts';

export type { CacheBatch, CacheEvent } from './broadcaster.ts';

/** The default number of recent events that a watch can be resumed from. */
const defaultWindow = 8192;
/** The objects read at a time while loading, and told at a time to a subscriber. */
const loadPage = 1000;
/** The characters of stored text that are read at a time while loading. */
const loadSize = 8 * 1024 * 1024;
/** Bytes of objects after which changes for a subscriber go on in another batch. */
const batchBytes = 8 * 1024 * 1024;
/** About what the outline of a packed object takes of the heap, in bytes. */
const outlineBytes = 4096;
/** Between two attempts to watch or to load. */
const retry = { firstMs: 50, capMs: 5000 };
/** How often subscribers that had nothing to see are told the revision. */
const defaultProgressMs = 5000;
/** How long a wait for a revision goes on before the cache makes the store show it (see #tick). */
const patienceMs = 100;

export interface WatchCacheDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How many recent events are kept for subscribers. */
  readonly window?: number;
  /** Milliseconds between two signs of progress for subscribers that see no events. */
  readonly progressMs?: number;
  /** From a stored value to its object, without resourceVersion; JSON when absent. */
  readonly decode?: (value: string, key: string) => KubeObject;
}

export interface SubscribeFilter {
  readonly kinds: readonly Kind[];
  /** After this revision, or the present state first and then everything after it. */
  readonly from: number | 'initial';
}

export interface SubscribeOptions {
  /** The most events that may wait for the subscriber before it is ended with Expired. */
  readonly maxBuffered?: number;
}

/**
 * All objects in memory, kept by one store watch, and the fan-out of their changes.
 *
 *     store.list ─┐                       ┌─ get, list, count     (shared objects: never change them)
 *                 ├─> CacheState ── Broadcaster ─┤
 *     store.watch ┘                       └─ subscribe × thousands (positions in one ring of recent events)
 *
 * Values are parsed once; large ones are held as their bytes (`packed.ts`). The stored JSON has no resourceVersion; the object in the cache has the revision of its last
 * write. The state moves from one whole revision to a later whole one, never to a place between.
 *
 * When the store has compacted what the watch still needed, the cache loads everything afresh, and ends its subscribers
 * with Expired: what happened in between is lost, so only a new look at the state can tell them the truth.
 */
export class WatchCache {
  readonly #deps: WatchCacheDeps;
  readonly #broadcaster: Broadcaster;
  readonly #reader = new ObjectReader();
  #state = new CacheState();
  #revision = 0;
  #waiters = new Set<{ revision: number; resolve: () => void }>();
  #ticking = false;

  constructor(deps: WatchCacheDeps) {
    this.#deps = deps;
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
        for await (const batch of this.#deps.store.watch(storePrefix, this.#revision, signal)) {
          attempt = 0;
          this.#apply(batch);
        }
      } catch (error) {
        if (signal.aborted) break;
        if (isApiError(error, 'Expired')) loaded = false;
        log.warn({ rev: this.#revision, reload: !loaded, err: messageOf(error) }, 'the watch of the store broke');
      }
      if (!signal.aborted) await clock.sleep(backoffMs(attempt, retry, random), signal).catch(ignoreAbort(signal));
    }
    await progress;
  }

  /** Resolves once the first load is complete; rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void> {
    return this.#reached(1, signal);
  }

  /** The revision that the cache shows; it never goes back. 0 before the first load. */
  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that can still be watched from. */
  get oldest(): number {
    return this.#broadcaster.oldest;
  }

  /**
   * Resolves once everything up to `revision` is visible here. Timeout, in Kubernetes' words, when that takes longer than
   * `timeoutMs`; rejects with the signal's reason when it is aborted.
   */
  async waitFor(revision: number, signal: AbortSignal, timeoutMs = 3000): Promise<void> {
    if (this.#revision >= revision && this.#revision > 0) return;
    const { clock } = this.#deps;
    const patience = clock.timer(Math.min(patienceMs, timeoutMs / 2), () => this.#tick());
    try {
      await this.#reached(Math.max(1, revision), signal, timeoutMs);
    } finally {
      patience.cancel();
    }
  }

  get<K extends Kind>(kind: K, key: string): KindMap[K] | undefined {
    return this.#state.get(kind, key) as KindMap[K] | undefined;
  }

  /** In key order. The array is a snapshot and never changes; the objects are shared. */
  list<K extends Kind>(kind: K, namespace?: string): readonly KindMap[K][] {
    return this.#state.list(kind, namespace) as unknown as readonly KindMap[K][];
  }

  count(kind: Kind, namespace?: string): number {
    return this.#state.count(kind, namespace);
  }

  /** About how long an object of this cache is as text, in bytes; of a small one rather more. */
  sizeOf(object: KubeObject): number {
    return packedBytes(object) || this.#state.cost(object);
  }

  /** What the objects take of memory. */
  get memory(): Memory {
    return this.#state.memory;
  }

  /**
   * The changes of some kinds, in batches of whole revisions, without a gap. From 'initial' the present objects come first,
   * as ADDED in batches with `initial`, the last of them with `synced`. From a revision N: everything after N; when one
   * transaction changed several objects of these kinds at N, all of N comes again, as a reader that takes one event
   * at a time may have seen only a part of it. Batches without events tell how far the revision has moved.
   *
   * Ends quietly by the signal. Throws Expired when N is older than the window, when the subscriber falls behind by
   * more than `maxBuffered` events or by the window, and when the cache had to load afresh; Timeout when N is ahead of the store.
   */
  async *subscribe(
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
    const revision = this.#revision;
    const initial = from === 'initial';
    const present = initial ? kinds.map((kind) => [kind, this.#state.list(kind)] as const) : [];
    const subscription = this.#broadcaster.follow(kinds, initial ? undefined : from, revision, options, signal);
    try {
      if (initial) yield* initialBatches(present, revision, (object) => this.sizeOf(object), signal);
      yield* subscription.batches();
    } finally {
      subscription.close();
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    const { store, log, clock } = this.#deps;
    const began = clock.monotonic();
    const state = new CacheState();
    const newest: CacheEvent[] = [];
    let revision: number | undefined;
    let after: string | undefined;
    let count = 0;
    for (;;) {
      const page = await store.list(registryPrefix, { limit: loadPage, size: loadSize, after, revision });
      signal.throwIfAborted();
      revision = page.revision;
      if (revision < this.#revision) throw new ApiError('ServiceUnavailable', `the store is behind: at ${revision}`);
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
    this.#state = state;
    this.#broadcaster.restart(revision, newest);
    this.#advance(revision);
    log.info({ rev: revision, objects: count, ms: Math.round(clock.monotonic() - began) }, 'loaded the store');
  }

  #apply(batch: StoreBatch): void {
    if (batch.revision <= this.#revision) return;
    const events: CacheEvent[] = [];
    for (const stored of batch.events) {
      const event = this.#eventOf(stored);
      if (!event) continue;
      if (event.type === 'DELETED') this.#state.delete(event.kind, event.key);
      else this.#state.set(event.kind, event.key, event.object, event.cost);
      events.push(event);
    }
    this.#broadcaster.publish(events, batch.revision);
    this.#advance(batch.revision);
  }

  /** Undefined for what is no object: other keys of ours, a value that can't be read, the deletion of what never was. */
  #eventOf(stored: StoreEvent): CacheEvent | undefined {
    const path = stored.type === 'put' ? stored.item.key : stored.key;
    const parsed = parseKey(path);
    if (!parsed) return undefined;
    const kind = parsed.entry.kind as Kind;
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
      const { decode } = this.#deps;
      if (value.length > packFrom) {
        const parse = (text: string) => (decode ? decode(text, key) : checked(JSON.parse(text)));
        return { object: packed(value, revision, parse), cost: outlineBytes };
      }
      const object = decode ? decode(value, key) : checked(this.#reader.read(value));
      object.metadata.resourceVersion = String(revision);
      return { object, cost: decode ? heapBytes(value) : this.#reader.cost };
    } catch (error) {
      this.#deps.log.error({ key, rev: revision, err: messageOf(error) }, 'an object cannot be read');
      return undefined;
    }
  }

  #advance(revision: number): void {
    this.#revision = revision;
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve();
  }

  #reached(revision: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
        timer?.cancel();
        settle();
      };
      const waiter = { revision, resolve: () => end(resolve) };
      const abort = (): void => end(() => reject(signal.reason));
      const late = (): void => end(() => reject(tooLarge(revision, this.#revision)));
      const timer = timeoutMs === undefined ? undefined : this.#deps.clock.timer(timeoutMs, late);
      this.#waiters.add(waiter);
      signal.addEventListener('abort', abort);
    });
  }

  /**
   * Writes a key that the watch sees. A store that others use as well moves on by revisions that never come to this
   * watch; what comes behind our own write shows that all before it has been seen.
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
      await clock.sleep(progressMs, signal).catch(ignoreAbort(signal));
      this.#broadcaster.sendProgress(this.#revision);
    }
  }
}

/** The state as batches of a bearable size; the last one is `synced`. */
function* initialBatches(
  present: readonly (readonly [Kind, readonly KubeObject[]])[],
  revision: number,
  sizeOf: (object: KubeObject) => number,
  signal: AbortSignal,
): Generator<CacheBatch> {
  let events: CacheEvent[] = [];
  let bytes = 0;
  for (const [kind, objects] of present) {
    for (const object of objects) {
      if (events.length === loadPage || bytes > batchBytes) {
        yield { revision, initial: true, synced: false, events };
        events = [];
        bytes = 0;
        if (signal.aborted) return;
      }
      events.push({
        type: 'ADDED',
        kind,
        key: keyOf(object),
        object,
        revision: Number(object.metadata.resourceVersion),
        cost: 0,
      });
      bytes += sizeOf(object);
    }
  }
  yield { revision, initial: true, synced: true, events };
}

function checked(object: unknown): KubeObject {
  if (typeof object !== 'object' || object === null || !('metadata' in object)) throw new Error('not an object');
  return object as KubeObject;
}

/** For `catch`: an aborted sleep is not an error, anything else is. */
function ignoreAbort(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error instanceof Error ? error : new ApiError('InternalError', messageOf(error));
  };
}
