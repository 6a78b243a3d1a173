import type { Timer } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { CertifiedNode, Connection, Heartbeat, HeartbeatAck, HeartbeatServer } from '../../shared/session.ts';
import type { NodeSessionLease } from './liveness.ts';
import { NodeLease, type NodeLeaseDeps } from './node-lease.ts';

/** The time within which a stream must send its first heartbeat. Milliseconds. */
const firstHeartbeatMs = 5_000;
/** The least time between two renewals of one lease: faster heartbeats wait. Milliseconds. */
const minIntervalMs = 100;

export interface NodeLeasesDeps extends NodeLeaseDeps {
  readonly log: Log;
  /** Whether the main thread's event loop runs, see maxStallMs. */
  readonly mainThreadAlive: () => boolean;
}

type HeartbeatConnection = Connection<Heartbeat, HeartbeatAck>;

interface LeasedSession {
  readonly session: NodeSessionLease;
  readonly lease: NodeLease;
  /** When the last heartbeat was received, by the monotonic clock. */
  heartbeatAt: number;
  watchdog: Timer | undefined;
  connection: HeartbeatConnection | undefined;
}

/** The leases of the nodes that have their session with this server. Heartbeats renew them. */
export class NodeLeases implements HeartbeatServer {
  readonly #deps: NodeLeasesDeps;
  readonly #sessions = new Map<string, LeasedSession>();

  constructor(deps: NodeLeasesDeps) {
    this.#deps = deps;
  }

  /** As Liveness.open. */
  async open(session: NodeSessionLease, expired: (reason: string) => void): Promise<number> {
    const lease = new NodeLease(this.#deps, session);
    const heartbeatAt = this.#deps.clock.monotonic();
    const leased: LeasedSession = { session, lease, heartbeatAt, watchdog: undefined, connection: undefined };
    this.#sessions.set(session.id, leased);
    try {
      const revision = await lease.acquire();
      this.#watch(leased, expired);
      return revision;
    } catch (error) {
      this.close(session.id);
      throw error;
    }
  }

  deleted(id: string): void {
    this.#sessions.get(id)?.lease.deleted();
  }

  close(id: string): void {
    const leased = this.#sessions.get(id);
    this.#sessions.delete(id);
    leased?.watchdog?.cancel();
    leased?.connection?.close();
  }

  closeAll(): void {
    for (const id of [...this.#sessions.keys()]) this.close(id);
  }

  async serveHeartbeats(connection: HeartbeatConnection, caller: CertifiedNode): Promise<void> {
    const { clock } = this.#deps;
    const first = clock.timer(firstHeartbeatMs, () => connection.close());
    let leased: LeasedSession | undefined;
    try {
      for await (const { sessionId, sequence } of connection.incoming) {
        first.cancel();
        leased ??= this.#join(sessionId, connection, caller.node);
        // The session has ended, or has another stream.
        if (leased.connection !== connection || !this.#sessions.has(leased.session.id)) return;
        if (clock.now() >= caller.until) {
          throw new ApiError('Unauthorized', `the certificate of node ${caller.node} has expired`);
        }
        const at = clock.monotonic();
        leased.heartbeatAt = at;
        if (await this.#renewed(leased)) await connection.send({ sequence });
        const early = at + minIntervalMs - clock.monotonic();
        if (early > 0) await clock.sleep(early);
      }
    } finally {
      first.cancel();
      if (leased?.connection === connection) leased.connection = undefined;
    }
  }

  #join(id: string | undefined, connection: HeartbeatConnection, node: string): LeasedSession {
    const leased = id === undefined ? undefined : this.#sessions.get(id);
    // The same answer for a session that is another node's.
    if (leased?.session.node !== node)
      throw new ApiError('NotFound', `node ${node} has no such session with this server`);
    leased.connection?.close();
    leased.connection = connection;
    return leased;
  }

  /** False: the heartbeat is not acknowledged. */
  async #renewed({ session, lease }: LeasedSession): Promise<boolean> {
    const { log, mainThreadAlive } = this.#deps;
    if (!mainThreadAlive()) return false;
    try {
      await lease.renew();
      return true;
    } catch (error) {
      log.warn({ component: 'nodes', key: session.node, err: messageOf(error) }, 'lease not renewed');
      return false;
    }
  }

  #watch(leased: LeasedSession, expired: (reason: string) => void): void {
    const { clock } = this.#deps;
    const { id, node, leaseMs } = leased.session;
    if (!this.#sessions.has(id)) return;
    const check = (): void => {
      const sinceMs = clock.monotonic() - leased.heartbeatAt;
      if (sinceMs < leaseMs) {
        leased.watchdog = clock.timer(leaseMs - sinceMs, check);
        return;
      }
      this.close(id);
      expired(`node ${node} has sent no heartbeat for ${Math.round(sinceMs)} ms`);
    };
    check();
  }
}
