import type { Clock } from '../../../../shared/clock.ts';
import type { Store } from '../../../store/store.ts';

/** How long an event is kept after it was last written, unless it is said otherwise; as in Kubernetes. */
const keepSeconds = 3600;
/**
 * Events written within this time share a lease: one lease an event would be most of the store's leases. So much longer than asked an
 * event may be kept: a minute, but no more than a twentieth, as in Kubernetes.
 */
const share = { mostSeconds: 60, part: 0.05 };

export interface EventLeaseDeps {
  readonly store: Pick<Store, 'grantLease'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** How long an event is kept after it was last written, in seconds. Absent: an hour. */
  readonly eventTtlSeconds?: number;
}

/** Events tell of the recent past: the store forgets them by itself, through a lease that nobody renews. */
export class EventLease {
  readonly #deps: EventLeaseDeps;
  #current: Promise<string> | undefined;
  #granted = 0;
  readonly #keepSeconds: number;
  readonly #shareSeconds: number;

  constructor(deps: EventLeaseDeps) {
    this.#deps = deps;
    this.#keepSeconds = deps.eventTtlSeconds ?? keepSeconds;
    this.#shareSeconds = Math.min(share.mostSeconds, Math.ceil(this.#keepSeconds * share.part));
  }

  /** The lease to write an event with now. */
  async get(): Promise<string> {
    const now = this.#deps.clock.monotonic();
    if (this.#current && now - this.#granted < this.#shareSeconds * 1000) return this.#current;
    this.#granted = now;
    const granted = this.#deps.store.grantLease(this.#keepSeconds + this.#shareSeconds);
    this.#current = granted;
    try {
      return await granted;
    } catch (error) {
      // The next event asks anew.
      if (this.#current === granted) this.#current = undefined;
      throw error;
    }
  }
}
