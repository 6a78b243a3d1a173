import { backoffMs } from './backoff.ts';
import type { WatchBatch, WatchEvent } from './client.ts';
import { ApiError, isApiError, messageOf } from './errors.ts';
import type { Kind, KindMap } from './generated/types.ts';
import type { Change, InformerDeps, Informers, ObjectStore } from './informer.ts';
import { controllerOf, isKind, type KubeObject, keyOf } from './object.ts';

/** A broken watch is resumed quickly at first: until then decisions are made on old state. */
const restart = { firstMs: 50, capMs: 5_000 };
/** A watch that lived this long was healthy: its end starts the backoff anew. */
const healthyMs = 10_000;

/** Informers for `kinds`, in the order of one watch. See `Informers`. */
export function createInformers(deps: InformerDeps, kinds: readonly Kind[]): Informers {
  return new WatchInformers(deps, kinds);
}

class WatchInformers implements Informers {
  readonly #deps: InformerDeps;
  readonly #kinds: readonly Kind[];
  readonly #stores = new Map<Kind, IndexedStore>();
  readonly #handlers: Array<(changes: readonly Change[]) => void> = [];
  readonly #waiting = new Set<() => void>();
  #revision = 0;

  constructor(deps: InformerDeps, kinds: readonly Kind[]) {
    this.#deps = deps;
    this.#kinds = kinds;
    for (const kind of kinds) this.#stores.set(kind, new IndexedStore());
  }

  get revision(): number {
    return this.#revision;
  }

  of<K extends Kind>(kind: K): ObjectStore<KindMap[K]> {
    // The table of stores is keyed by kind; only its own kind's objects go into each.
    return this.#store(kind) as unknown as ObjectStore<KindMap[K]>;
  }

  onChange(handler: (changes: readonly Change[]) => void): void {
    this.#handlers.push(handler);
  }

  synced(signal: AbortSignal): Promise<void> {
    if (this.#revision > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const done = (): void => {
        signal.removeEventListener('abort', fail);
        this.#waiting.delete(done);
        resolve();
      };
      const fail = (): void => {
        this.#waiting.delete(done);
        reject(signal.reason);
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', fail, { once: true });
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const started = clock.monotonic();
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        const level = isApiError(error, 'Expired') ? 'info' : 'warn';
        log[level]({ component: 'informer', err: messageOf(error) }, 'watch ended, starting afresh');
      }
      if (signal.aborted) return;
      if (clock.monotonic() - started > healthyMs) attempt = 0;
      await clock.sleep(backoffMs(attempt, restart, random), signal).catch(() => undefined);
    }
  }

  /** One watch from its first state to its end. The first state replaces the present one, as one change. */
  async #follow(signal: AbortSignal): Promise<void> {
    let initial: WatchEvent[] | undefined = [];
    for await (const batch of this.#deps.client.watch(this.#kinds, signal)) {
      if (!initial) {
        this.#apply(batch);
        continue;
      }
      if (batch.initial) for (const event of batch.events) initial.push(event);
      if (!batch.synced) continue;
      this.#replace(initial, batch.revision);
      initial = undefined;
      if (!batch.initial) this.#apply(batch);
    }
  }

  #apply({ events, revision }: Pick<WatchBatch, 'events' | 'revision'>): void {
    const changes: Change[] = [];
    for (const { type, kind, object } of events) {
      const change = type === 'DELETED' ? this.#remove(kind, keyOf(object)) : this.#put(kind, object);
      if (change) changes.push(change);
    }
    this.#revision = revision;
    if (changes.length > 0) this.#notify(changes);
  }

  /** Objects that the first state lacks were deleted meanwhile. */
  #replace(present: readonly WatchEvent[], revision: number): void {
    if (revision < this.#revision) {
      throw new ApiError('ServiceUnavailable', `the server is behind: at ${revision}, seen was ${this.#revision}`);
    }
    const idOf = (kind: Kind, object: KubeObject): string => `${kind} ${keyOf(object)}`;
    const still = new Set(present.map(({ kind, object }) => idOf(kind, object)));
    const gone = this.#kinds.flatMap((kind) =>
      [...this.#store(kind).values()]
        .filter((object) => !still.has(idOf(kind, object)))
        .map((object) => ({ type: 'DELETED', kind, object }) as const),
    );
    this.#apply({ events: [...present, ...gone], revision });
    for (const resolve of this.#waiting) resolve();
  }

  #put(kind: Kind, object: KubeObject): Change | undefined {
    const key = keyOf(object);
    const before = this.#store(kind).set(key, object);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return undefined;
    return { kind, key, before: before as KindMap[Kind] | undefined, after: object as KindMap[Kind] };
  }

  #remove(kind: Kind, key: string): Change | undefined {
    const before = this.#store(kind).delete(key);
    return before && { kind, key, before: before as KindMap[Kind] };
  }

  #notify(changes: readonly Change[]): void {
    for (const handler of this.#handlers) handler(changes);
  }

  #store(kind: Kind): IndexedStore {
    const store = this.#stores.get(kind);
    if (!store) throw new Error(`these informers do not hold kind ${kind}`);
    return store;
  }
}

type IndexName = 'namespace' | 'owner' | 'node';

/** Objects by key, with the values that each is indexed by. */
class IndexedStore implements ObjectStore<KubeObject> {
  readonly #objects = new Map<string, KubeObject>();
  readonly #indices: Record<IndexName, Map<string, Map<string, KubeObject>>> = {
    namespace: new Map(),
    owner: new Map(),
    node: new Map(),
  };

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<KubeObject> {
    return this.#objects.values();
  }

  by(index: IndexName, value: string): Iterable<KubeObject> {
    return this.#indices[index].get(value)?.values() ?? [];
  }

  /** Returns the previous object. */
  set(key: string, object: KubeObject): KubeObject | undefined {
    const before = this.delete(key);
    this.#objects.set(key, object);
    for (const [index, value] of indexValues(object)) {
      const entries = this.#indices[index].get(value);
      if (entries) entries.set(key, object);
      else this.#indices[index].set(value, new Map([[key, object]]));
    }
    return before;
  }

  delete(key: string): KubeObject | undefined {
    const before = this.#objects.get(key);
    if (!before) return undefined;
    this.#objects.delete(key);
    for (const [index, value] of indexValues(before)) {
      const entries = this.#indices[index].get(value);
      entries?.delete(key);
      if (entries?.size === 0) this.#indices[index].delete(value);
    }
    return before;
  }
}

/** The value of the index `owner` for objects without a controller. */
export function unowned(namespace = ''): string {
  return `none/${namespace}`;
}

function indexValues(object: KubeObject): Array<[IndexName, string]> {
  const values: Array<[IndexName, string]> = [];
  const { namespace } = object.metadata;
  if (namespace) values.push(['namespace', namespace]);
  const owner = controllerOf(object);
  values.push(['owner', owner?.uid ?? unowned(namespace)]);
  if (isKind(object, 'Pod') && object.spec.nodeName) values.push(['node', object.spec.nodeName]);
  return values;
}
