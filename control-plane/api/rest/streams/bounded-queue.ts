/**
 * A queue with one reader and back-pressure: a writer waits while items of more than `limit` (in the units of `size`) are queued.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #onRead: (size: number) => void;
  readonly #items: { readonly item: T; readonly size: number }[] = [];
  #size = 0;
  #outcome: { readonly error?: Error } | undefined;
  #dropping = false;
  #wakeReader: () => void = () => undefined;
  #wakeWriters: (() => void)[] = [];

  /** `onRead`: called with the size of each item that is read or dropped. */
  constructor(limit: number, onRead: (size: number) => void = () => undefined) {
    this.#limit = limit;
    this.#onRead = onRead;
  }

  get full(): boolean {
    return this.#size > this.#limit && this.#outcome === undefined;
  }

  /** Resolves when there is room for more. Items after the end are dropped. */
  async put(item: T, size = 1): Promise<void> {
    if (this.#outcome || this.#dropping) return this.#onRead(size);
    this.#items.push({ item, size });
    this.#size += size;
    this.#wakeReader();
    while (this.full) await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
  }

  /** The reader gets the queued items, then the end or `error`. */
  end(error?: Error): void {
    if (this.#outcome) return;
    this.#outcome = error ? { error } : {};
    this.#wake();
  }

  /** Drops the queued items and all further ones; the reader still waits for the end. */
  drop(): void {
    this.#dropping = true;
    const dropped = this.#size;
    this.#items.length = 0;
    this.#size = 0;
    if (dropped > 0) this.#onRead(dropped);
    this.#wake();
  }

  /** Ends at once, and drops the queued items. */
  abort(error?: Error): void {
    this.drop();
    this.end(error);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        const next = this.#items.shift();
        if (next) {
          this.#size -= next.size;
          this.#onRead(next.size);
          this.#wake();
          yield next.item;
        } else if (this.#outcome) {
          if (this.#outcome.error) throw this.#outcome.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
      }
    } finally {
      // The reader has left.
      this.abort();
    }
  }

  #wake(): void {
    this.#wakeReader();
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}
