import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';
import type { Random } from './random.ts';

/**
 * Keys that want work, each at most once, never worked on twice at the same time: a key that is added while it is
 * being worked on is handed out again when that work is done (client-go's workqueue: dirty and processing sets).
 * A key that failed comes back after a backoff.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: BackoffOptions;
  /** Wanted and not handed out, in the order they came. */
  readonly #ready = new Set<string>();
  /** Handed out. */
  readonly #working = new Set<string>();
  /** Wanted again while handed out. */
  readonly #again = new Set<string>();
  readonly #later = new Map<string, { at: number; timer: Timer }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: Array<(key: string | undefined) => void> = [];
  #closed = false;

  constructor(deps: { clock: Clock; random: Random }, backoff: BackoffOptions = { firstMs: 10, capMs: 30_000 }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#backoff = backoff;
  }

  /** How many keys wait to be handed out. */
  get depth(): number {
    return this.#ready.size;
  }

  add(key: string): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    const taker = this.#takers.shift();
    if (!taker) {
      this.#ready.add(key);
      return;
    }
    this.#working.add(key);
    taker(key);
  }

  /** Adds the key after `ms`; an earlier appointment stays. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    const at = this.#clock.monotonic() + ms;
    const planned = this.#later.get(key);
    if (planned && planned.at <= at) return;
    planned?.timer.cancel();
    const timer = this.#clock.timer(ms, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { at, timer });
  }

  /** The next key, or undefined once the queue is closed. Give it back with `done` or `retry`. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    for (const key of this.#ready) {
      this.#ready.delete(key);
      this.#working.add(key);
      return Promise.resolve(key);
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** The work succeeded. */
  done(key: string): void {
    this.#failures.delete(key);
    this.#release(key);
  }

  /** The work failed: the key comes back after a backoff that grows with its failures in a row. */
  retry(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#release(key);
    this.addAfter(key, backoffMs(failures, this.#backoff, this.#random));
  }

  close(): void {
    this.#closed = true;
    this.#ready.clear();
    this.#again.clear();
    for (const { timer } of this.#later.values()) timer.cancel();
    this.#later.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #release(key: string): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }
}
