import { ApiError } from '../../../shared/errors.ts';
import type { KindId } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { packedBytes } from './packed.ts';
import { Ring } from './ring.ts';

/** The default of `maxBuffered`. */
const defaultMaxBuffered = 4096;
/** The most memory of the recent events, in bytes: as much as 8,000 pods. */
const maxHeld = 64 * 1024 * 1024;
/** The most bytes of one batch: the rest waits in the ring, which is bounded. */
const takeBytes = 1024 * 1024;

/** One object's change. */
export interface CacheEvent<K extends KindId = KindId> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly kind: K;
  /** `namespace/name`, or `name`. */
  readonly key: string;
  /** The object before the change. Absent for ADDED, and for the newest changes after a load: it is not known then. */
  readonly before?: KubeObject;
  /** The object after the change; for DELETED its last state, with the revision of the deletion. */
  readonly object: KubeObject;
  readonly revision: number;
  /** About the object's memory on the heap, in bytes. */
  readonly cost: number;
}

export interface CacheBatch<K extends KindId = KindId> {
  /** The subscriber has seen everything up to this revision. */
  readonly revision: number;
  /** A part of the initial state. */
  readonly initial: boolean;
  /** The initial state is complete with this batch; true on every later batch. */
  readonly synced: boolean;
  readonly events: readonly CacheEvent<K>[];
}

interface Entry {
  readonly event: CacheEvent;
  /** Whether its transaction changed other objects as well. */
  readonly shared: boolean;
}

interface Subscriber {
  readonly kinds: ReadonlySet<KindId>;
  readonly maxBuffered: number;
  /** The place in the ring from which on its pending events are found. Valid only while some are pending. */
  position: number;
  /** The number of its pending events. */
  pending: number;
  /** The revision up to which it has seen everything. */
  revision: number;
  /** It gets an empty batch with the revision, though nothing is pending. */
  progress: boolean;
  ended?: ApiError;
  /** Set while it waits. */
  wake?: () => void;
}

export interface Subscription {
  /** Can be read once. Ends quietly by the signal, or throws Expired. */
  batches(): AsyncGenerator<CacheBatch, void, void>;
  close(): void;
}

/**
 * Broadcasts recent events. All subscribers read one ring; a subscriber is a position and a count, so it costs nothing while other kinds
 * change. The ring is bounded by its length and its memory: a subscriber whose next event has left the ring is ended with Expired.
 */
export class Broadcaster {
  readonly #ring: Ring<Entry>;
  readonly #subscribers = new Map<KindId, Set<Subscriber>>();
  readonly #all = new Set<Subscriber>();
  #revision = 0;
  #oldest = 0;
  #held = 0;

  constructor(window: number) {
    this.#ring = new Ring(window);
  }

  /** The oldest revision from which events can be followed. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Empties the ring and ends all subscribers. `newest`: the objects whose last change was at `revision` itself. */
  restart(revision: number, newest: readonly CacheEvent[]): void {
    this.#ring.clear();
    this.#held = 0;
    this.#revision = revision;
    this.#oldest = revision;
    const shared = newest.length > 1;
    for (const event of newest) this.#push({ event, shared });
    for (const subscriber of this.#all) this.#end(subscriber, tooOld(subscriber.revision, revision));
  }

  /** Broadcasts the events of whole revisions, in order. */
  publish(events: readonly CacheEvent[], revision: number): void {
    const woken: Subscriber[] = [];
    for (let i = 0; i < events.length; i++) {
      const event = events[i] as CacheEvent;
      const shared = events[i - 1]?.revision === event.revision || events[i + 1]?.revision === event.revision;
      this.#push({ event, shared });
      for (const subscriber of this.#subscribers.get(event.kind) ?? []) {
        if (subscriber.pending++ > 0) continue;
        subscriber.position = this.#ring.head - 1;
        woken.push(subscriber);
      }
    }
    this.#revision = revision;
    for (const subscriber of woken) subscriber.wake?.();
  }

  /** Sends the revision to subscribers that have no pending events. */
  sendProgress(revision: number): void {
    for (const subscriber of this.#all) {
      if (subscriber.revision >= revision || subscriber.pending > 0) continue;
      subscriber.progress = true;
      subscriber.wake?.();
    }
  }

  /**
   * Subscribes to the events after `from`; undefined: to those after `now`, the present revision. The subscription begins with this call
   * and lasts until `close` or the signal. Throws Expired when `from` is too old.
   */
  follow(
    kinds: readonly KindId[],
    from: number | undefined,
    now: number,
    options: { readonly maxBuffered?: number },
    signal: AbortSignal,
  ): Subscription {
    const { maxBuffered = defaultMaxBuffered } = options;
    const subscriber: Subscriber = {
      kinds: new Set(kinds),
      maxBuffered,
      position: this.#ring.head,
      pending: 0,
      revision: from ?? now,
      progress: false,
    };
    if (from !== undefined) this.#rewind(subscriber, from, now);
    this.#all.add(subscriber);
    for (const kind of subscriber.kinds) {
      const set = this.#subscribers.get(kind);
      if (set) set.add(subscriber);
      else this.#subscribers.set(kind, new Set([subscriber]));
    }
    const wake = (): void => subscriber.wake?.();
    signal.addEventListener('abort', wake, { once: true });
    return {
      batches: () => this.#batches(subscriber, signal),
      close: () => {
        signal.removeEventListener('abort', wake);
        this.#drop(subscriber);
      },
    };
  }

  /** Ends the subscriptions of a kind with Expired: its objects are no longer followed. */
  end(kind: KindId): void {
    for (const subscriber of this.#subscribers.get(kind) ?? []) {
      this.#end(subscriber, tooOld(subscriber.revision, this.#revision));
    }
    this.#subscribers.delete(kind);
  }

  async *#batches(subscriber: Subscriber, signal: AbortSignal): AsyncGenerator<CacheBatch, void, void> {
    while (!signal.aborted) {
      if (subscriber.ended) throw subscriber.ended;
      if (subscriber.pending === 0 && !subscriber.progress) {
        await new Promise<void>((resolve) => {
          subscriber.wake = resolve;
        });
        subscriber.wake = undefined;
        continue;
      }
      const events = this.#take(subscriber);
      yield { revision: subscriber.revision, initial: false, synced: true, events };
    }
  }

  /** The next pending events. Throws Expired when too many are pending, or some have left the ring. */
  #take(subscriber: Subscriber): CacheEvent[] {
    const { pending, maxBuffered, kinds } = subscriber;
    let { position } = subscriber;
    if (pending > 0 && (pending > maxBuffered || position < this.#ring.tail)) {
      throw tooOld(subscriber.revision, this.#oldest);
    }
    const events: CacheEvent[] = [];
    let bytes = 0;
    for (; events.length < pending; position++) {
      const event = this.#ring.at(position)?.event;
      if (!event) break;
      if (!kinds.has(event.kind)) continue;
      // A batch holds whole revisions.
      const last = events.at(-1);
      if (last && bytes > takeBytes && last.revision < event.revision) {
        subscriber.position = position;
        subscriber.pending -= events.length;
        subscriber.revision = last.revision;
        return events;
      }
      events.push(event);
      bytes += memoryOf(event);
    }
    subscriber.pending = 0;
    subscriber.progress = false;
    subscriber.revision = this.#revision;
    return events;
  }

  /** Places the subscriber before the first event after `from`, or before those of `from` itself (see WatchCache.subscribe). */
  #rewind(subscriber: Subscriber, from: number, now: number): void {
    if (from < this.#oldest) throw tooOld(from, this.#oldest);
    if (from < now) subscriber.progress = true;
    const ring = this.#ring;
    let low = ring.tail;
    let high = ring.head;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ring.at(middle)?.event.revision ?? 0) < from) low = middle + 1;
      else high = middle;
    }
    let sameRevision = 0;
    let after = 0;
    for (let i = low; i < ring.head; i++) {
      const entry = ring.at(i);
      if (!entry || !subscriber.kinds.has(entry.event.kind)) continue;
      if (entry.event.revision === from) sameRevision++;
      else after++;
    }
    const again = sameRevision > 1;
    const first = again ? from : from + 1;
    for (let entry = ring.at(low); entry; entry = ring.at(++low)) {
      if (entry.event.revision >= first && subscriber.kinds.has(entry.event.kind)) break;
    }
    subscriber.position = low;
    subscriber.pending = after + (again ? sameRevision : 0);
  }

  /** A watch can be resumed from the revision of an evicted event only if that was the revision's only one. */
  #push(entry: Entry): void {
    this.#held += memoryOf(entry.event);
    this.#evict(this.#ring.push(entry));
    while (this.#held > maxHeld && this.#ring.head - this.#ring.tail > 1) this.#evict(this.#ring.shift());
  }

  #evict(evicted: Entry | undefined): void {
    if (!evicted) return;
    this.#held -= memoryOf(evicted.event);
    this.#oldest = Math.max(this.#oldest, evicted.event.revision + (evicted.shared ? 1 : 0));
  }

  #end(subscriber: Subscriber, error: ApiError): void {
    subscriber.ended = error;
    this.#drop(subscriber);
    subscriber.wake?.();
  }

  #drop(subscriber: Subscriber): void {
    this.#all.delete(subscriber);
    for (const kind of subscriber.kinds) this.#subscribers.get(kind)?.delete(subscriber);
  }
}

function memoryOf({ object, cost }: CacheEvent): number {
  return cost + packedBytes(object);
}

/** Kubernetes' wording (apiserver, watch cache). */
export function tooOld(revision: number, oldest: number): ApiError {
  return new ApiError('Expired', `too old resource version: ${revision} (${oldest})`);
}
