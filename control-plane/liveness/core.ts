import type { Clock } from '../../shared/clock.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type { CertifiedNode, Connection, Heartbeat, HeartbeatAck, HeartbeatServer } from '../../shared/session.ts';
import { LeaderLease } from './leader-lease.ts';
import type { LeadershipCell, LeaseStore, Liveness, NodeSessionLease, Term } from './liveness.ts';
import { NodeLeases } from './node-leases.ts';
import { type ServerIdentity, ServerLease } from './server-lease.ts';

export interface LivenessCoreDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** This server's own name. */
  readonly server: string;
  /** Whether the thread that serves requests has shown a sign of life within maxStallMs. Absent: it is this one. */
  readonly mainLives?: () => boolean;
  /** Absent: its own. */
  readonly cell?: LeadershipCell;
}

/** The rules of Liveness, in whichever thread they run. */
export class LivenessCore implements Liveness, HeartbeatServer {
  readonly #nodes: NodeLeases;
  readonly #leader: LeaderLease;
  readonly #deps: LivenessCoreDeps & { readonly mainLives: () => boolean };
  readonly #stopped = new AbortController();
  #announcing: Promise<void> | undefined;

  constructor(deps: LivenessCoreDeps) {
    const mainLives = deps.mainLives ?? (() => true);
    this.#deps = { ...deps, mainLives };
    this.#nodes = new NodeLeases(this.#deps);
    this.#leader = new LeaderLease({ ...this.#deps, cell: deps.cell ?? { until: 0 } });
  }

  open(session: NodeSessionLease, silent: (reason: string) => void): Promise<number> {
    return this.#nodes.open(session, silent);
  }

  close(sessionId: string): void {
    this.#nodes.close(sessionId);
  }

  leaseDeleted(sessionId: string): void {
    this.#nodes.deleted(sessionId);
  }

  beats(connection: Connection<Heartbeat, HeartbeatAck>, caller: CertifiedNode): Promise<void> {
    return this.#nodes.beats(connection, caller);
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
