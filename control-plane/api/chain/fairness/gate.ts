import type { Registry } from 'prom-client';
import type { Clock, Timer } from '../../../../shared/clock.ts';
import { ApiError } from '../../../../shared/errors.ts';
import type { KindId } from '../../../../shared/kinds/kind.ts';
import type { Identity } from '../../auth/identity.ts';
import { type LevelName, levelOf, levels, listWidth } from './levels.ts';
import { GateMetrics, type LevelFigures } from './metrics.ts';

/** How long a request may wait for a seat: a quarter of its deadline, as in Kubernetes. */
const longestWaitMs = 15_000;
/** The most watches and streams of one user. */
const maxStreams = 5_000;

export interface FairGateDeps {
  readonly clock: Clock;
  /** Absent: no metrics. */
  readonly registry?: Registry;
  /** The number of a kind's objects, in one namespace or in all. Absent: every list takes one seat. */
  readonly sizeOf?: (kind: KindId, namespace?: string) => number;
}

/** The seats of a request that is carried out. */
export interface Seat {
  readonly flow: Flow;
  readonly width: number;
  left: boolean;
}

interface Waiting {
  readonly width: number;
  readonly since: number;
  readonly take: (seat: Seat) => void;
  readonly timer: Timer;
  readonly forget: () => void;
}

/** One user's requests at one priority level. */
interface Flow {
  readonly level: Level;
  readonly user: string;
  taken: number;
  readonly queue: Waiting[];
}

interface Level extends LevelFigures {
  readonly flows: Map<string, Flow>;
  /** The flows with a queue, in the order of dispatch. */
  readonly backlog: Set<Flow>;
}

/**
 * Priority and fairness. Each priority level has seats, of which one user takes a part at most. A request without a seat waits in its
 * user's queue; a free seat goes to the waiting user with the fewest. So a flood waits in the queue of its sender, and takes no
 * seat of another level and no turn of another user.
 *
 * A request that finds a seat is admitted at once, without a promise.
 */
export class FairGate {
  readonly #clock: Clock;
  readonly #levels: Readonly<Record<LevelName, Level>>;
  readonly #streams = new Map<string, number>();
  readonly #metrics: GateMetrics | undefined;

  readonly #sizeOf: NonNullable<FairGateDeps['sizeOf']>;

  constructor({ clock, registry, sizeOf = () => 0 }: FairGateDeps) {
    this.#clock = clock;
    this.#sizeOf = sizeOf;
    const make = (name: LevelName): Level => ({
      ...levels[name],
      name,
      taken: 0,
      running: 0,
      waiting: 0,
      dispatched: 0,
      flows: new Map(),
      backlog: new Set(),
    });
    this.#levels = { system: make('system'), workload: make('workload'), 'catch-all': make('catch-all') };
    this.#metrics = registry && new GateMetrics(registry, Object.values(this.#levels));
  }

  /**
   * A seat, which must be given back by `leave`. `width`: how many seats the request takes. Throws or rejects with TooManyRequests when
   * the user's queue is full or the wait too long, and with the signal's reason.
   */
  enter(identity: Identity, width: number, signal: () => AbortSignal): Seat | Promise<Seat> {
    const level = this.#levels[levelOf(identity)];
    const { user } = identity;
    let flow = level.flows.get(user);
    if (!flow) {
      flow = { level, user, taken: 0, queue: [] };
      level.flows.set(user, flow);
    }
    const wide = Math.min(width, level.perUser);
    if (flow.queue.length === 0 && fits(flow, wide)) return take(flow, wide);
    if (flow.queue.length >= level.queue || level.waiting >= level.allQueues) {
      this.#metrics?.rejected(level.name, 'queue-full');
      throw tooMany();
    }
    return this.#wait(flow, wide, signal());
  }

  /** Giving a seat back a second time does nothing. */
  leave(seat: Seat): void {
    if (seat.left) return;
    seat.left = true;
    const { flow } = seat;
    flow.taken -= seat.width;
    flow.level.taken -= seat.width;
    flow.level.running--;
    if (flow.level.backlog.size > 0) this.#dispatch(flow.level);
    forgetIdle(flow);
  }

  /** How many seats a list of a kind takes. `limit`: the size of the page that is asked for. */
  listWidth(kind: KindId, namespace: string | undefined, limit: number | undefined): number {
    return listWidth(this.#sizeOf(kind, namespace), limit);
  }

  /** Counts a long-running request of a user until `close` is called. Throws TooManyRequests when the user has too many. */
  openStream({ user }: Identity): { close(): void } {
    const open = this.#streams.get(user) ?? 0;
    if (open >= maxStreams) {
      throw new ApiError('TooManyRequests', `too many watches and streams: ${user} has ${open} open`, {
        retryAfterSeconds: 10,
      });
    }
    this.#streams.set(user, open + 1);
    let closed = false;
    return {
      close: () => {
        if (closed) return;
        closed = true;
        const left = (this.#streams.get(user) ?? 1) - 1;
        if (left > 0) this.#streams.set(user, left);
        else this.#streams.delete(user);
      },
    };
  }

  #wait(flow: Flow, width: number, signal: AbortSignal): Promise<Seat> {
    const { level } = flow;
    return new Promise((resolve, reject) => {
      const refuse = (reason: unknown): void => {
        waiting.forget();
        flow.queue.splice(flow.queue.indexOf(waiting), 1);
        level.waiting--;
        if (flow.queue.length === 0) level.backlog.delete(flow);
        reject(reason);
        // Narrower requests may have waited behind it.
        this.#dispatch(level);
        forgetIdle(flow);
      };
      const onAbort = (): void => refuse(signal.reason);
      const onLate = (): void => {
        this.#metrics?.rejected(level.name, 'time-out');
        refuse(tooMany());
      };
      if (signal.aborted) return reject(signal.reason);
      const timer = this.#clock.timer(longestWaitMs, onLate);
      const forget = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const waiting: Waiting = { width, since: this.#clock.monotonic(), take: resolve, timer, forget };
      signal.addEventListener('abort', onAbort, { once: true });
      flow.queue.push(waiting);
      level.waiting++;
      level.backlog.add(flow);
    });
  }

  /** Gives free seats to waiting requests: to the user with the fewest seats, and of equal ones to the one served longest ago. */
  #dispatch(level: Level): void {
    for (;;) {
      let next: Flow | undefined;
      for (const flow of level.backlog) {
        const head = flow.queue[0];
        if (!head || flow.taken + head.width > level.perUser) continue;
        if (!next || flow.taken < next.taken) next = flow;
      }
      const first = next?.queue[0];
      // A request that is too wide for now waits for more seats: narrower ones could pass it for ever.
      if (!next || !first || level.taken + first.width > level.seats) return;
      next.queue.shift();
      level.waiting--;
      level.backlog.delete(next);
      if (next.queue.length > 0) level.backlog.add(next);
      first.forget();
      this.#metrics?.waited(level.name, this.#clock.monotonic() - first.since);
      first.take(take(next, first.width));
    }
  }
}

function fits({ level, taken }: Flow, width: number): boolean {
  return taken + width <= level.perUser && level.taken + width <= level.seats;
}

function take(flow: Flow, width: number): Seat {
  flow.taken += width;
  flow.level.taken += width;
  flow.level.running++;
  flow.level.dispatched++;
  return { flow, width, left: false };
}

function forgetIdle(flow: Flow): void {
  if (flow.taken === 0 && flow.queue.length === 0) flow.level.flows.delete(flow.user);
}

/** Kubernetes' message (apiserver, filters/maxinflight.go). */
function tooMany(): ApiError {
  return new ApiError('TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds: 1 });
}
