import type { Clock } from '../../../shared/clock.ts';
import { tooLarge } from '../limits.ts';

/** The revision that a cache shows, and the requests that wait for a later one. */
export class ShownRevision {
  readonly #clock: Clock;
  #revision = 0;
  readonly #waiters = new Set<{ revision: number; resolve: () => void }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 before the first load. */
  get revision(): number {
    return this.#revision;
  }

  advance(revision: number): void {
    this.#revision = revision;
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve();
  }

  /** Resolves when `revision` is shown. Rejects with the signal's reason, and with Timeout after `timeoutMs`, if that is set. */
  reached(revision: number, signal: AbortSignal, timeoutMs?: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
        timer?.cancel();
        settle();
      };
      const waiter = { revision, resolve: () => end(resolve) };
      const abort = (): void => end(() => reject(signal.reason));
      const late = (): void => end(() => reject(tooLarge(revision, this.#revision)));
      const timer = timeoutMs === undefined ? undefined : this.#clock.timer(timeoutMs, late);
      this.#waiters.add(waiter);
      signal.addEventListener('abort', abort);
    });
  }
}
