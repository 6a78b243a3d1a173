import type { Timer } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { CertifiedNode, Connection, Heartbeat, HeartbeatAck, HeartbeatServer } from '../../shared/session.ts';
import type { NodeSessionLease } from './liveness.ts';
import { NodeLease, type NodeLeaseDeps } from './node-lease.ts';

/** A stream of heartbeats that has not named its session by then is closed. */
const firstBeatMs = 5_000;
/** Heartbeats that come faster wait: a node costs etcd no more than this. */
const minIntervalMs = 100;

export interface NodeLeasesDeps extends NodeLeaseDeps {
  readonly log: Log;
  /** Whether the thread that holds the sessions does; see maxStallMs. */
  readonly mainLives: () => boolean;
}

type BeatConnection = Connection<Heartbeat, HeartbeatAck>;

interface Held {
  readonly session: NodeSessionLease;
  readonly lease: NodeLease;
  heardAt: number;
  watchdog: Timer | undefined;
  connection: BeatConnection | undefined;
}

/** The leases of the nodes that have their session with this server, renewed by their heartbeats. */
export class NodeLeases implements HeartbeatServer {
  readonly #deps: NodeLeasesDeps;
  readonly #held = new Map<string, Held>();

  constructor(deps: NodeLeasesDeps) {
    this.#deps = deps;
  }

  /** As Liveness.open. */
  async open(session: NodeSessionLease, silent: (reason: string) => void): Promise<number> {
    const lease = new NodeLease(this.#deps, session);
    const heardAt = this.#deps.clock.monotonic();
    const held: Held = { session, lease, heardAt, watchdog: undefined, connection: undefined };
    this.#held.set(session.id, held);
    try {
      const revision = await lease.acquire();
      this.#watch(held, silent);
      return revision;
    } catch (error) {
      this.close(session.id);
      throw error;
    }
  }

  deleted(id: string): void {
    this.#held.get(id)?.lease.deleted();
  }

  close(id: string): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    held?.watchdog?.cancel();
    held?.connection?.close();
  }

  closeAll(): void {
    for (const id of [...this.#held.keys()]) this.close(id);
  }

  async beats(connection: BeatConnection, caller: CertifiedNode): Promise<void> {
    const { clock } = this.#deps;
    const first = clock.timer(firstBeatMs, () => connection.close());
    let held: Held | undefined;
    try {
      for await (const { sessionId, sequence } of connection.incoming) {
        first.cancel();
        held ??= this.#join(sessionId, connection, caller.node);
        // The session is over, or has another stream by now.
        if (held.connection !== connection || !this.#held.has(held.session.id)) return;
        if (clock.now() >= caller.until) {
          throw new ApiError('Unauthorized', `the certificate of node ${caller.node} has ended`);
        }
        const at = clock.monotonic();
        held.heardAt = at;
        if (await this.#renewed(held)) await connection.send({ sequence });
        const early = at + minIntervalMs - clock.monotonic();
        if (early > 0) await clock.sleep(early);
      }
    } finally {
      first.cancel();
      if (held?.connection === connection) held.connection = undefined;
    }
  }

  #join(id: string | undefined, connection: BeatConnection, node: string): Held {
    const held = id === undefined ? undefined : this.#held.get(id);
    // Whose another session is, a node is not told.
    if (held?.session.node !== node)
      throw new ApiError('NotFound', `node ${node} has no such session with this server`);
    held.connection?.close();
    held.connection = connection;
    return held;
  }

  /** False: the agent gets no acknowledgement, and knows by its own clock how long it may go on. */
  async #renewed({ session, lease }: Held): Promise<boolean> {
    const { log, mainLives } = this.#deps;
    if (!mainLives()) return false;
    try {
      await lease.renew();
      return true;
    } catch (error) {
      log.warn({ component: 'nodes', key: session.node, err: messageOf(error) }, 'lease not renewed');
      return false;
    }
  }

  #watch(held: Held, silent: (reason: string) => void): void {
    const { clock } = this.#deps;
    const { id, node, leaseMs } = held.session;
    if (!this.#held.has(id)) return;
    const check = (): void => {
      const silence = clock.monotonic() - held.heardAt;
      if (silence < leaseMs) {
        held.watchdog = clock.timer(leaseMs - silence, check);
        return;
      }
      this.close(id);
      silent(`node ${node} has sent no heartbeat for ${Math.round(silence)} ms`);
    };
    check();
  }
}
