import type { Kind } from '../../shared/generated/types.ts';
import { isStored, kindTable } from '../../shared/kinds/table.ts';
import { type KubeObject, splitKey } from '../../shared/object.ts';
import { SortedMap } from './sorted-map.ts';

/** All objects of one kind: by key, and by namespace. */
interface KindState {
  readonly all: SortedMap<KubeObject>;
  readonly namespaces: Map<string, SortedMap<KubeObject>>;
}

/** The objects of every kind, as of one revision. */
export class CacheState {
  readonly #kinds: ReadonlyMap<string, KindState> = new Map(
    kindTable
      .filter(isStored)
      .map((entry) => [entry.kind, { all: new SortedMap<KubeObject>(), namespaces: new Map() }]),
  );

  get(kind: Kind, key: string): KubeObject | undefined {
    return this.#kinds.get(kind)?.all.get(key);
  }

  /** In key order. The array is a snapshot: it never changes. */
  list(kind: Kind, namespace?: string): readonly KubeObject[] {
    const state = this.#kinds.get(kind);
    return (namespace ? state?.namespaces.get(namespace) : state?.all)?.values() ?? [];
  }

  count(kind: Kind, namespace?: string): number {
    const state = this.#kinds.get(kind);
    return (namespace ? state?.namespaces.get(namespace) : state?.all)?.size ?? 0;
  }

  set(kind: Kind, key: string, object: KubeObject): void {
    const state = this.#kinds.get(kind);
    if (!state) return;
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

  delete(kind: Kind, key: string): void {
    const state = this.#kinds.get(kind);
    if (!state?.all.delete(key)) return;
    const { namespace } = splitKey(key);
    const within = state.namespaces.get(namespace);
    within?.delete(key);
    if (within?.size === 0) state.namespaces.delete(namespace);
  }
}
