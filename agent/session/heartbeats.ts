import { backoffMs } from '../../shared/backoff.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type {
  Connection,
  Heartbeat,
  HeartbeatAck,
  HeartbeatTarget,
  SessionLine,
  ToNode,
} from '../../shared/session.ts';

export interface HeartbeatsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly line: Pick<SessionLine, 'heartbeats'>;
  /** Called with the monotonic time at which a heartbeat was sent that has been acknowledged: from then on the lease was good. */
  readonly confirmed: (sentAt: number) => void;
}

/** A stream that broke is dialled again, as long as the lease lasts. */
const redial = { firstMs: 100, capMs: 1_000 };
/** A stream whose first heartbeat is not acknowledged within this share of the lease's time is given up for another. */
const answerShare = 0.3;
/** A timer that is this late (ms) shows that this process was busy: acknowledgements may be waiting to be read. */
const lateMs = 200;

/**
 * The heartbeats of one session, on a connection of their own. The session is over when the server says so, or when no
 * acknowledged heartbeat was sent within the lease's time, by this process' monotonic clock.
 */
export class Heartbeats {
  readonly #deps: HeartbeatsDeps;
  readonly #welcome: Extract<ToNode, { type: 'welcome' }>;
  /** When heartbeats were sent that are not acknowledged yet, by their sequence. */
  readonly #sent = new Map<number, number>();
  #sequence = 0;
  #confirmedAt: number;

  constructor(deps: HeartbeatsDeps, welcome: Extract<ToNode, { type: 'welcome' }>) {
    this.#deps = deps;
    this.#welcome = welcome;
    this.#confirmedAt = deps.clock.monotonic();
  }

  /** Until the signal is aborted. Rejects when the session is over. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const loops = [this.#beat(either), this.#watch(either)];
    try {
      await Promise.race(loops);
    } finally {
      stop.abort();
      await Promise.allSettled(loops);
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const { host, port } = this.#welcome.heartbeats;
    // Behind a balancer another server may answer where the session was dialled: then the server's own address is tried.
    const targets: HeartbeatTarget[] = [{ port }, ...(host === undefined ? [] : [{ host, port }])];
    let refusals = 0;
    for (let attempt = 0, at = 0; ; attempt++) {
      const target = targets[at % targets.length] ?? { port };
      const before = this.#confirmedAt;
      let refused = false;
      try {
        await this.#stream(target, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isApiError(error, 'Unauthorized', 'Forbidden')) throw error;
        refused = isApiError(error, 'NotFound');
        if (refused && ++refusals >= targets.length) throw error;
        log.debug({ component: 'session', ...target, err: messageOf(error) }, 'the heartbeats broke off');
      }
      if (!refused) refusals = 0;
      if (this.#confirmedAt > before) attempt = 0;
      else at++;
      if (!refused) await clock.sleep(backoffMs(attempt, redial, random), signal);
    }
  }

  async #stream(target: HeartbeatTarget, signal: AbortSignal): Promise<void> {
    const { clock, line } = this.#deps;
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const connection = line.heartbeats(target, either);
    const patience = this.#welcome.leaseMs * answerShare;
    const first = clock.timer(patience, () => stop.abort(new ApiError('Timeout', `no answer within ${patience} ms`)));
    const loops = [this.#read(connection, () => first.cancel()), this.#write(connection, either)];
    try {
      await Promise.race(loops);
    } finally {
      first.cancel();
      stop.abort();
      connection.close();
      await Promise.allSettled(loops);
    }
  }

  async #read(connection: Connection<HeartbeatAck, Heartbeat>, answered: () => void): Promise<void> {
    for await (const { sequence } of connection.incoming) {
      answered();
      const sentAt = this.#sent.get(sequence);
      if (sentAt === undefined) continue;
      for (const known of this.#sent.keys()) if (known <= sequence) this.#sent.delete(known);
      this.#confirmedAt = Math.max(this.#confirmedAt, sentAt);
      this.#deps.confirmed(sentAt);
    }
  }

  async #write(connection: Connection<HeartbeatAck, Heartbeat>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { heartbeatMs, sessionId } = this.#welcome;
    for (let first = true; ; first = false) {
      const sequence = ++this.#sequence;
      this.#sent.set(sequence, clock.monotonic());
      await connection.send({ sequence, ...(first ? { sessionId } : {}) });
      await clock.sleep(Math.max(1, heartbeatMs), signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { leaseMs } = this.#welcome;
    for (;;) {
      const due = Math.max(this.#confirmedAt + leaseMs, clock.monotonic() + 1);
      await clock.sleep(due - clock.monotonic(), signal);
      if (clock.monotonic() - due > lateMs) await clock.sleep(lateMs, signal);
      if (clock.monotonic() - this.#confirmedAt < leaseMs) continue;
      throw new ApiError('Timeout', `no heartbeat was acknowledged for ${leaseMs} ms`);
    }
  }
}
