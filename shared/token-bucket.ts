import type { Clock } from './clock.ts';

export interface Rate {
  /** The most that can be taken at once. */
  readonly burst: number;
  /** The refill per second. */
  readonly perSecond: number;
}

/** Bounds a rate by a token bucket. */
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

  /** False when there are too few tokens; then none is taken. */
  tryTake(amount = 1): boolean {
    this.#refill();
    if (this.#left < amount) return false;
    this.#left -= amount;
    return true;
  }

  /** Takes tokens, and waits until those beyond the rate are refilled. Rejects when aborted. */
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
