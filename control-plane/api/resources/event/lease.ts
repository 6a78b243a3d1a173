import type { Clock } from '../../../../shared/clock.ts';
import type { Store } from '../../../store/store.ts';
import type { WriteHook } from '../../requests/write-hook.ts';

/** How long an event is kept after its last write by default, as in Kubernetes. */
const keepSeconds = 3600;
/**
 * Events written within this time share a lease, so that the store has few leases; an event may be kept longer by as much. A minute,
 * but at most a twentieth of the time that events are kept, as in Kubernetes.
 */
const share = { mostSeconds: 60, part: 0.05 };

export interface EventLeaseDeps {
  readonly store: Pick<Store, 'grantLease'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** How long an event is kept after it was last written, in seconds. Absent: an hour. */
  readonly eventTtlSeconds?: number;
}

/** Each write of an object that expires, an event, puts it on a lease: the store deletes it when the lease has expired. */
export function eventLease(deps: EventLeaseDeps): WriteHook {
  const events = new EventLease(deps);
  const onLease = { lease: () => events.get() };
  return { contribute: ({ def, after }) => (after && def.strategy.expires ? onLease : undefined) };
}

/** The lease that events are written with now: never renewed, and shared by the events of a short time. */
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
