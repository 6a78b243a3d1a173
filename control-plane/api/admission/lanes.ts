import { ApiError } from '../../../shared/errors.ts';
import type { Known } from './charges.ts';

/** The most requests that wait in one lane. */
const maxWaiting = 5_000;

interface Lane {
  /** What its last transactions left behind: newer than the cache can show it. */
  readonly known: Known;
  readonly waiting: (() => void)[];
}

/**
 * Lets work on one thing happen one at a time in this process, in order of arrival. Correctness does not hang on it (guards
 * see to that, between processes too): it spares the store transactions that would lose the race.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  async run<T>(name: string, signal: AbortSignal, work: (known: Known) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    let lane = this.#lanes.get(name);
    if (lane) await this.#turn(lane, signal);
    else {
      lane = { known: new Map(), waiting: [] };
      this.#lanes.set(name, lane);
    }
    try {
      return await work(lane.known);
    } finally {
      const next = lane.waiting.shift();
      if (next) next();
      else this.#lanes.delete(name);
    }
  }

  #turn(lane: Lane, signal: AbortSignal): Promise<void> {
    if (lane.waiting.length >= maxWaiting) {
      throw new ApiError('TooManyRequests', 'too many requests wait for the same object', { retryAfterSeconds: 1 });
    }
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        const at = lane.waiting.indexOf(turn);
        if (at < 0) return;
        lane.waiting.splice(at, 1);
        reject(signal.reason);
      };
      lane.waiting.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
