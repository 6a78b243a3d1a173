import { type BackoffOptions, backoffMs } from './backoff.ts';
import type { Clock, Timer } from './clock.ts';
import type { Random } from './random.ts';

/**
 * A work queue (client-go's workqueue): each key is queued at most once, and never processed twice at the same time. A key that is added
 * while it is processed is queued again when that ends. A failed key is retried after a backoff.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #backoff: BackoffOptions;
  /** Queued, in order. */
  readonly #ready = new Set<string>();
  /** Being processed. */
  readonly #working = new Set<string>();
  /** Added again while being processed. */
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

  /** The number of queued keys. */
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

  /** Adds the key after `ms` milliseconds; an earlier time for it stays. */
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

  /** The next key, or undefined once the queue is closed. The caller returns it with `done` or `retry`. */
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

  /** The work failed: the key is queued again after a backoff that grows with its failures in a row. */
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
