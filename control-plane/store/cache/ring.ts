/**
 * The last `capacity` entries of an endless sequence. An entry is named by its sequence number, which counts from 0 and
 * stays the same as long as the entry is held.
 */
export class Ring<T> {
  readonly #entries: (T | undefined)[];
  #head = 0;
  #tail = 0;

  constructor(readonly capacity: number) {
    this.#entries = new Array<T | undefined>(capacity);
  }

  /** The number that the next entry will get. */
  get head(): number {
    return this.#head;
  }

  /** The number of the oldest entry that is still held; equals `head` when there is none. */
  get tail(): number {
    return this.#tail;
  }

  /** Appends an entry; returns the one that had to go, if any. */
  push(entry: T): T | undefined {
    const slot = this.#head % this.capacity;
    const evicted = this.#head - this.#tail === this.capacity ? this.#entries[slot] : undefined;
    if (evicted !== undefined) this.#tail++;
    this.#entries[slot] = entry;
    this.#head++;
    return evicted;
  }

  /** Takes the oldest entry out; undefined when there is none. */
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
