import type { Clock } from '../../shared/clock.ts';
import type { Store } from '../store/store.ts';

/** How long an event is kept after it was last written, as in Kubernetes (`--event-ttl`). */
const keepSeconds = 3600;
/** Events written within this time share a lease: one lease an event would be most of the store's leases. */
const shareSeconds = 60;

/** Events tell of the recent past: the store forgets them by itself, through a lease that nobody renews. */
export class EventLease {
  readonly #deps: { readonly store: Store; readonly clock: Clock };
  #current: Promise<string> | undefined;
  #granted = 0;

  constructor(deps: { readonly store: Store; readonly clock: Clock }) {
    this.#deps = deps;
  }

  /** The lease to write an event with now. */
  async get(): Promise<string> {
    const now = this.#deps.clock.monotonic();
    if (this.#current && now - this.#granted < shareSeconds * 1000) return this.#current;
    this.#granted = now;
    const granted = this.#deps.store.grantLease(keepSeconds + shareSeconds);
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
