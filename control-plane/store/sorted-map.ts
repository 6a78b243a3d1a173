/**
 * A map by string keys that can be read in key order. Additions and removals are merged into the sorted array at the next ordered
 * read, so that n changes between two reads cost one pass. Returned arrays never change: a reader may keep one as a snapshot.
 */
export class SortedMap<V> {
  readonly #map = new Map<string, V>();
  #keys: readonly string[] = [];
  #values: readonly V[] | undefined = [];
  #added = new Set<string>();
  #removed = new Set<string>();

  get size(): number {
    return this.#map.size;
  }

  get(key: string): V | undefined {
    return this.#map.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#map.has(key) && !this.#removed.delete(key)) this.#added.add(key);
    this.#map.set(key, value);
    this.#values = undefined;
  }

  delete(key: string): boolean {
    if (!this.#map.delete(key)) return false;
    if (!this.#added.delete(key)) this.#removed.add(key);
    this.#values = undefined;
    return true;
  }

  /** The keys in order of their UTF-16 code units, which for ASCII keys is etcd's order of bytes. */
  keys(): readonly string[] {
    if (this.#added.size > 0 || this.#removed.size > 0) {
      this.#keys = merge(this.#keys, [...this.#added].sort(), this.#removed);
      this.#added = new Set();
      this.#removed = new Set();
    }
    return this.#keys;
  }

  /** The values in the order of their keys. */
  values(): readonly V[] {
    this.#values ??= this.keys().map((key) => this.#map.get(key) as V);
    return this.#values;
  }
}

/** The index of the first key that is not before `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function merge(keys: readonly string[], added: readonly string[], removed: ReadonlySet<string>): string[] {
  const merged: string[] = [];
  let next = 0;
  for (const key of keys) {
    for (; next < added.length && (added[next] as string) < key; next++) merged.push(added[next] as string);
    if (!removed.has(key)) merged.push(key);
  }
  for (; next < added.length; next++) merged.push(added[next] as string);
  return merged;
}
