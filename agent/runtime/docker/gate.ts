/** Lets a few pieces of work run at once; the rest waits in line. */
export class Gate {
  readonly #waiting: Array<() => void> = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes to whoever is next, or back.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
