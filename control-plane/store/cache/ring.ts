/**
 * The last `capacity` entries of a sequence. An entry has a sequence number, counted from 0, for as long as it is held.
 */
export class Ring<T> {
  readonly #entries: (T | undefined)[];
  #head = 0;
  #tail = 0;

  constructor(readonly capacity: number) {
    this.#entries = new Array<T | undefined>(capacity);
  }

  /** The sequence number of the next entry. */
  get head(): number {
    return this.#head;
  }

  /** The sequence number of the oldest entry that is held; `head` when there is none. */
  get tail(): number {
    return this.#tail;
  }

  /** Appends an entry; returns the one that it evicts, if any. */
  push(entry: T): T | undefined {
    const slot = this.#head % this.capacity;
    const evicted = this.#head - this.#tail === this.capacity ? this.#entries[slot] : undefined;
    if (evicted !== undefined) this.#tail++;
    this.#entries[slot] = entry;
    this.#head++;
    return evicted;
  }

  /** Removes and returns the oldest entry; undefined when there is none. */
  shift(): T | undefined {
    if (this.#tail === this.#head) return undefined;
    const slot = this.#tail++ % this.capacity;
    const entry = this.#entries[slot];
    this.#entries[slot] = undefined;
    return entry;
  }

  at(sequence: number): T | undefined {
    return sequence >= this.#tail && sequence < this.#head ? this.#entries[sequence % this.capacity] : undefined;
  }

  clear(): void {
    this.#entries.fill(undefined);
    this.#tail = this.#head;
  }
}
