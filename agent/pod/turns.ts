/** Runs the work of one key one after the other, in the order asked for; work that failed holds up no other. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** What `work` returns or throws. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(key) ?? Promise.resolve()).then(work, work);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
