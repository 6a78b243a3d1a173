import type { Random } from './random.ts';

/** A name is cut where the kind of its object allows more than an event's does. */
const maxObjectName = 230;

/**
 * Names of events as client-go makes them: the object's, and the moment in nanoseconds. So they lie in a list in the order in which
 * they happened, which is how people see those of one second. Below the clock's millisecond a counter keeps this process's own apart
 * and in order, and chance those of others.
 */
export class EventNames {
  readonly #random: Random;
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** `now`: milliseconds since the epoch. */
  next(object: string, now: number): string {
    this.#count = (this.#count + 1) % 1_000;
    const [high = 0, low = 0] = this.#random.bytes(2);
    const below = this.#count * 1_000 + (((high << 8) | low) % 1_000);
    const moment = BigInt(Math.floor(now)) * 1_000_000n + BigInt(below);
    return `${object.slice(0, maxObjectName)}.${moment.toString(16)}`;
  }
}
