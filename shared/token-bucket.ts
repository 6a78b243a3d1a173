import type { Clock } from './clock.ts';

export interface Rate {
  /** What may be taken at once, after a rest. */
  readonly burst: number;
  /** What comes back in a second. */
  readonly perSecond: number;
}

/** Bounds a rate: what is taken comes back with time. */
export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonic' | 'sleep'>;
  readonly #rate: Rate;
  #left: number;
  #countedAt: number;

  constructor(clock: Pick<Clock, 'monotonic' | 'sleep'>, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
    this.#left = rate.burst;
    this.#countedAt = clock.monotonic();
  }

  /** False when there is not enough: nothing is taken then. */
  tryTake(amount = 1): boolean {
    this.#refill();
    if (this.#left < amount) return false;
    this.#left -= amount;
    return true;
  }

  /** Takes it, and waits as long as what was taken beyond the rate takes to come back. Rejects when aborted. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    this.#refill();
    this.#left -= amount;
    if (this.#left < 0) await this.#clock.sleep((-this.#left / this.#rate.perSecond) * 1000, signal);
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#left = Math.min(this.#rate.burst, this.#left + ((now - this.#countedAt) / 1000) * this.#rate.perSecond);
    this.#countedAt = now;
  }
}
