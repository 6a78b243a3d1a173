import { openSync, readSync } from 'node:fs';

/** How often the loop is looked at, in milliseconds; a pause is known to within this. */
const everyMs = 5;

/**
 * The longest time that this process's event loop was kept from its timers, in milliseconds of the main thread's own CPU time: time
 * in which the machine ran something else does not count. (`/proc/self/schedstat`, first number: nanoseconds on a CPU.)
 */
export class LoopPauses {
  readonly #file = openSync('/proc/self/schedstat', 'r');
  readonly #bytes = Buffer.alloc(64);
  #last = this.#cpuMs();
  #longest = 0;

  constructor() {
    setInterval(() => this.#look(), everyMs).unref();
  }

  /** Since it was last asked. */
  take(): number {
    this.#look();
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  #look(): void {
    const now = this.#cpuMs();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
  }

  #cpuMs(): number {
    const length = readSync(this.#file, this.#bytes, 0, this.#bytes.length, 0);
    return Number(this.#bytes.toString('latin1', 0, length).split(' ')[0]) / 1e6;
  }
}
