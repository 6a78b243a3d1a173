import { type Clock, sleepOn, type Timer } from './clock.ts';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** The shortest time that passes, in milliseconds. */
const shortestMs = 0.001;

/**
 * A clock that moves only when told to. Timers fire in the order of their times, and of their making
 * when those are equal; between two timers all promises and immediates that are ready run to their end.
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

  /** Sets the wall clock on, or back, by `ms`; timers and `monotonic` take no notice. */
  jump(ms: number): void {
    this.#start += ms;
  }

  timer(ms: number, fire: () => void): Timer {
    // What is left of a wait may be smaller than a number can show: it must pass all the same.
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

  /** Moves on by `ms` milliseconds, firing what falls due on the way. */
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

/** Lets everything that is ready run: promises chained on promises, and immediates they set. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
