/** Runs the work of one key one at a time, in the order of the calls; a failure does not hold up what waits behind it. */
export class KeyedMutex {
  readonly #last = new Map<string, Promise<unknown>>();

  /** What `work` returns or throws. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
