import type { Clock } from '../../../shared/clock.ts';

/** Between two replacements of failed pods: doubling from first to cap (ms), as Kubernetes does for DaemonSets. */
const firstMs = 1_000;
const capMs = 15 * 60_000;

/** The backoff of owners whose pods fail, by a key that names the owner, its generation and the pod's place. Forgotten after two caps of quiet. */
export class FailedBackoff {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #entries = new Map<string, { delayMs: number; at: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Milliseconds until a failed pod may be replaced. */
  remainingMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry ? Math.max(0, entry.at + entry.delayMs - this.#clock.monotonic()) : 0;
  }

  /** A failed pod is replaced: the next one waits twice as long. */
  next(key: string): void {
    const now = this.#clock.monotonic();
    for (const [old, { at }] of this.#entries) if (now - at > 2 * capMs) this.#entries.delete(old);
    const before = this.#entries.get(key);
    this.#entries.set(key, { delayMs: before ? Math.min(before.delayMs * 2, capMs) : firstMs, at: now });
  }
}
