import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { CertifiedNode, Connection, Heartbeat, HeartbeatAck, HeartbeatServer } from '../../shared/session.ts';
import { LeaderLease } from './leader-lease.ts';
import type { LeaseStore } from './lease-store.ts';
import type { LeadershipCell, Liveness, NodeSessionLease, Term } from './liveness.ts';
import { NodeLeases } from './node-leases.ts';
import { type ServerIdentity, ServerLease } from './server-lease.ts';

export interface LivenessCoreDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This server's own name. */
  readonly server: string;
  /** Whether the main thread's event loop has run within maxStallMs. Absent: this is the main thread. */
  readonly mainThreadAlive?: () => boolean;
  /** Absent: one of its own. */
  readonly cell?: LeadershipCell;
}

/** Liveness itself, independent of the thread that it runs in. */
export class LivenessCore implements Liveness, HeartbeatServer {
  readonly #nodes: NodeLeases;
  readonly #leader: LeaderLease;
  readonly #deps: LivenessCoreDeps & { readonly mainThreadAlive: () => boolean };
  readonly #stopped = new AbortController();
  #announcing: Promise<void> | undefined;

  constructor(deps: LivenessCoreDeps) {
    const mainThreadAlive = deps.mainThreadAlive ?? (() => true);
    this.#deps = { ...deps, mainThreadAlive };
    this.#nodes = new NodeLeases(this.#deps);
    this.#leader = new LeaderLease({ ...this.#deps, cell: deps.cell ?? { until: 0 } });
  }

  open(session: NodeSessionLease, expired: (reason: string) => void): Promise<number> {
    return this.#nodes.open(session, expired);
  }

  close(sessionId: string): void {
    this.#nodes.close(sessionId);
  }

  leaseDeleted(sessionId: string): void {
    this.#nodes.deleted(sessionId);
  }

  serveHeartbeats(connection: Connection<Heartbeat, HeartbeatAck>, caller: CertifiedNode): Promise<void> {
    return this.#nodes.serveHeartbeats(connection, caller);
  }

  campaign(holder: string, signal: AbortSignal): Promise<Term> {
    return this.#leader.campaign(holder, signal);
  }

  async announce(server: ServerIdentity): Promise<void> {
    const lease = new ServerLease(this.#deps, server);
    await lease.renew();
    this.#announcing = lease.run(this.#stopped.signal);
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the server stops'));
    this.#nodes.closeAll();
    await this.#announcing;
  }
}
