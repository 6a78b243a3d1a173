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
  SessionConnection,
  ToNode,
} from '../../shared/session.ts';

export interface HeartbeatsDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The session's. */
  readonly connection: Pick<SessionConnection, 'heartbeats'>;
  /** Called when a heartbeat is acknowledged, with the monotonic time at which it was sent: the lease was renewed after that. */
  readonly acknowledged: (sentAt: number) => void;
}

/** The backoff between two streams. */
const redial = { firstMs: 100, capMs: 1_000 };
/** The share of the lease's duration within which the first heartbeat of a stream must be acknowledged. */
const firstAckShare = 0.3;
/** A timer that fires this many milliseconds late shows that this process was busy: acknowledgements may be waiting to be read. */
const lateMs = 200;

/**
 * The heartbeats of one session, on a connection of their own. The session ends if the server refuses them, or if none that was sent
 * within the lease's duration has been acknowledged, by the monotonic clock.
 */
export class Heartbeats {
  readonly #deps: HeartbeatsDeps;
  readonly #registered: Extract<ToNode, { type: 'registered' }>;
  /** Sequence → the time at which the heartbeat was sent, while it is not acknowledged. */
  readonly #sent = new Map<number, number>();
  #sequence = 0;
  #renewedAt: number;

  constructor(deps: HeartbeatsDeps, registered: Extract<ToNode, { type: 'registered' }>) {
    this.#deps = deps;
    this.#registered = registered;
    this.#renewedAt = deps.clock.monotonic();
  }

  /** Runs until the signal is aborted. Rejects when the session has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const loops = [this.#send(either), this.#watch(either)];
    try {
      await Promise.race(loops);
    } finally {
      stop.abort();
      await Promise.allSettled(loops);
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const { host, port } = this.#registered.heartbeats;
    // Behind a load balancer another server may answer at the session's address: then the server's own address is tried.
    const targets: HeartbeatTarget[] = [{ port }, ...(host === undefined ? [] : [{ host, port }])];
    let refusals = 0;
    for (let attempt = 0, at = 0; ; attempt++) {
      const target = targets[at % targets.length] ?? { port };
      const before = this.#renewedAt;
      let refused = false;
      try {
        await this.#stream(target, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isApiError(error, 'Unauthorized', 'Forbidden')) throw error;
        refused = isApiError(error, 'NotFound');
        if (refused && ++refusals >= targets.length) throw error;
        log.debug({ component: 'session', ...target, err: messageOf(error) }, 'the stream of heartbeats broke');
      }
      if (!refused) refusals = 0;
      if (this.#renewedAt > before) attempt = 0;
      else at++;
      if (!refused) await clock.sleep(backoffMs(attempt, redial, random), signal);
    }
  }

  async #stream(target: HeartbeatTarget, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const connection = this.#deps.connection.heartbeats(target, either);
    const ackMs = this.#registered.leaseMs * firstAckShare;
    const first = clock.timer(ackMs, () => stop.abort(new ApiError('Timeout', `no answer within ${ackMs} ms`)));
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

  async #read(connection: Connection<HeartbeatAck, Heartbeat>, acknowledged: () => void): Promise<void> {
    for await (const { sequence } of connection.incoming) {
      acknowledged();
      const sentAt = this.#sent.get(sequence);
      if (sentAt === undefined) continue;
      for (const earlier of this.#sent.keys()) if (earlier <= sequence) this.#sent.delete(earlier);
      this.#renewedAt = Math.max(this.#renewedAt, sentAt);
      this.#deps.acknowledged(sentAt);
    }
  }

  async #write(connection: Connection<HeartbeatAck, Heartbeat>, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { heartbeatMs, sessionId } = this.#registered;
    for (let first = true; ; first = false) {
      const sequence = ++this.#sequence;
      this.#sent.set(sequence, clock.monotonic());
      await connection.send({ sequence, ...(first ? { sessionId } : {}) });
      await clock.sleep(Math.max(1, heartbeatMs), signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { leaseMs } = this.#registered;
    for (;;) {
      const due = Math.max(this.#renewedAt + leaseMs, clock.monotonic() + 1);
      await clock.sleep(due - clock.monotonic(), signal);
      if (clock.monotonic() - due > lateMs) await clock.sleep(lateMs, signal);
      if (clock.monotonic() - this.#renewedAt < leaseMs) continue;
      throw new ApiError('Timeout', `no heartbeat was acknowledged for ${leaseMs} ms`);
    }
  }
}
