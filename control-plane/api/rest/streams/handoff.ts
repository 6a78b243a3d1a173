/**
 * Hands items from those who put them to one who takes them, in order. Who puts waits while more than `limit` (in the units
 * of `size`) have not been taken.
 */
export class Handoff<T> implements AsyncIterable<T> {
  readonly #limit: number;
  readonly #taken: (size: number) => void;
  readonly #items: { readonly item: T; readonly size: number }[] = [];
  #size = 0;
  #outcome: { readonly error?: Error } | undefined;
  #dropping = false;
  #wakeTaker: () => void = () => undefined;
  #wakePutters: (() => void)[] = [];

  /** `taken`: is told the size of each item that is taken. */
  constructor(limit: number, taken: (size: number) => void = () => undefined) {
    this.#limit = limit;
    this.#taken = taken;
  }

  get full(): boolean {
    return this.#size > this.#limit && this.#outcome === undefined;
  }

  /** Resolves when there is room for more. What is put after the end is dropped. */
  async put(item: T, size = 1): Promise<void> {
    if (this.#outcome || this.#dropping) return this.#taken(size);
    this.#items.push({ item, size });
    this.#size += size;
    this.#wakeTaker();
    while (this.full) await new Promise<void>((resolve) => this.#wakePutters.push(resolve));
  }

  /** What has been put can still be taken; then taking ends, or throws `error`. */
  end(error?: Error): void {
    if (this.#outcome) return;
    this.#outcome = error ? { error } : {};
    this.#wake();
  }

  /** What has not been taken, and what is still put, is dropped; who takes still waits for the end. */
  drop(): void {
    this.#dropping = true;
    const dropped = this.#size;
    this.#items.length = 0;
    this.#size = 0;
    if (dropped > 0) this.#taken(dropped);
    this.#wake();
  }

  /** The end, at once: what has not been taken is dropped. */
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
          this.#taken(next.size);
          this.#wake();
          yield next.item;
        } else if (this.#outcome) {
          if (this.#outcome.error) throw this.#outcome.error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeTaker = resolve;
          });
        }
      }
    } finally {
      // Nobody takes any more.
      this.abort();
    }
  }

  #wake(): void {
    this.#wakeTaker();
    for (const wake of this.#wakePutters.splice(0)) wake();
  }
}
