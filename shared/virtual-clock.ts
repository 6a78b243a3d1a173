import { type Clock, sleepOn, type Timer } from './clock.ts';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** The shortest time that passes, in milliseconds. */
const shortestMs = 0.001;

/**
 * A clock that moves only by `advance`. Timers fire in the order of their times, equal ones in the order of their creation; all ready
 * promises and immediates run between two timers.
 */
export class VirtualClock implements Clock {
  #start: number;
  #elapsed = 0;
  #order = 0;
  #timers: Pending[] = [];

  /** `start`: the wall-clock time at the beginning, milliseconds since the epoch. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Moves the wall clock by `ms`, also back; timers and `monotonic` are unaffected. */
  jump(ms: number): void {
    this.#start += ms;
  }

  timer(ms: number, fire: () => void): Timer {
    // The rest of a wait may be below the precision of a number.
    const wait = ms > 0 ? Math.max(ms, shortestMs) : 0;
    const pending: Pending = { at: this.#elapsed + wait, order: this.#order++, fire };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#timers[middle];
      if (other && other.at <= pending.at) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, pending);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(pending);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Moves on by `ms` milliseconds, and fires the timers that are due. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await settle();
    for (let next = this.#timers[0]; next && next.at <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsed = next.at;
      next.fire();
      await settle();
    }
    this.#elapsed = end;
  }

  /** Advances in steps until `condition` holds; false when `ms` milliseconds were not enough. */
  async advanceUntil(condition: () => boolean, ms: number, step = 50): Promise<boolean> {
    const end = this.#elapsed + ms;
    for (await settle(); !condition(); await this.advance(Math.min(step, end - this.#elapsed))) {
      if (this.#elapsed >= end) return false;
    }
    return true;
  }
}

/** Runs all ready promises and immediates, including those that they create. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
