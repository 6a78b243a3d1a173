import type { KindId } from '../../../shared/kinds/kind.ts';
import { type KubeObject, splitKey } from '../../../shared/object.ts';
import { SortedMap } from '../sorted-map.ts';
import { packedBytes } from './packed.ts';

/** All objects of one kind: by key, and by namespace. */
interface KindState {
  readonly all: SortedMap<KubeObject>;
  readonly namespaces: Map<string, SortedMap<KubeObject>>;
}

/** The memory of objects, in bytes; that on the heap is an estimate. */
export interface Memory {
  readonly heap: number;
  /** Outside of the heap. */
  readonly bytes: number;
}

/** The objects of every kind, as of one revision. */
export class CacheState {
  readonly #kinds = new Map<KindId, KindState>();
  /** The cost of each object that is not packed. */
  readonly #costs = new Map<KubeObject, number>();
  #heap = 0;
  #bytes = 0;

  constructor(kinds: Iterable<KindId>) {
    for (const kind of kinds) this.add(kind);
  }

  /** Begins to hold objects of a kind. */
  add(kind: KindId): void {
    if (!this.#kinds.has(kind)) this.#kinds.set(kind, { all: new SortedMap<KubeObject>(), namespaces: new Map() });
  }

  /** Stops holding objects of a kind, and drops the present ones. */
  remove(kind: KindId): void {
    for (const object of this.list(kind)) this.#forget(object);
    this.#kinds.delete(kind);
  }

  /** About the memory of an object on the heap, in bytes. */
  cost(object: KubeObject): number {
    return this.#costs.get(object) ?? 0;
  }

  get memory(): Memory {
    return { heap: this.#heap, bytes: this.#bytes };
  }

  get(kind: KindId, key: string): KubeObject | undefined {
    return this.#kinds.get(kind)?.all.get(key);
  }

  /** In key order. The array is a snapshot: it never changes. */
  list(kind: KindId, namespace?: string): readonly KubeObject[] {
    const state = this.#kinds.get(kind);
    return (namespace ? state?.namespaces.get(namespace) : state?.all)?.values() ?? [];
  }

  count(kind: KindId, namespace?: string): number {
    const state = this.#kinds.get(kind);
    return (namespace ? state?.namespaces.get(namespace) : state?.all)?.size ?? 0;
  }

  /** `cost`: about the object's memory on the heap, in bytes. */
  set(kind: KindId, key: string, object: KubeObject, cost: number): void {
    const state = this.#kinds.get(kind);
    if (!state) return;
    const before = state.all.get(key);
    if (before) this.#forget(before);
    this.#costs.set(object, cost);
    this.#heap += cost;
    this.#bytes += packedBytes(object);
    state.all.set(key, object);
    const { namespace } = splitKey(key);
    if (namespace === '') return;
    let within = state.namespaces.get(namespace);
    if (!within) {
      within = new SortedMap();
      state.namespaces.set(namespace, within);
    }
    within.set(key, object);
  }

  delete(kind: KindId, key: string): void {
    const state = this.#kinds.get(kind);
    const before = state?.all.get(key);
    if (!before || !state?.all.delete(key)) return;
    this.#forget(before);
    const { namespace } = splitKey(key);
    const within = state.namespaces.get(namespace);
    within?.delete(key);
    if (within?.size === 0) state.namespaces.delete(namespace);
  }

  #forget(object: KubeObject): void {
    this.#heap -= this.#costs.get(object) ?? 0;
    this.#bytes -= packedBytes(object);
    this.#costs.delete(object);
  }
}
