import type { ServerIdentity } from './server-lease.ts';

/**
 * The leases of this server and of the nodes that have their session with it, and the leadership. They are renewed without waiting
 * for requests: by `core.ts` in a thread of its own (`thread-host.ts`), in simulations and tests in this one. All methods throw ApiError.
 */
export interface Liveness {
  /**
   * Acquires the node's lease, in place of that of an earlier session, and accepts heartbeats for it. Returns the revision of the
   * Lease object. Calls `expired` once, when no heartbeat was received for the lease's duration.
   */
  open(session: NodeSessionLease, expired: (reason: string) => void): Promise<number>;
  /** Refuses further heartbeats of the session. The lease expires unless the node opens another session. */
  close(sessionId: string): void;
  /** The node's Lease object was deleted: the next heartbeat creates it again. */
  leaseDeleted(sessionId: string): void;
  /** Publishes this server's addresses in a Lease until it stops. */
  announce(server: ServerIdentity): Promise<void>;
  /**
   * Resolves when this server leads, under the name `holder`. Only one campaign at a time, after the end of the term before.
   * Rejects with the signal's reason.
   */
  campaign(holder: string, signal: AbortSignal): Promise<Term>;
  /** Ends the server's own lease and all streams of heartbeats. */
  stop(): Promise<void>;
}

export interface NodeSessionLease {
  /** Named by heartbeats. Not guessable. */
  readonly id: string;
  readonly node: string;
  readonly leaseMs: number;
}

/** A time during which this server leads. */
export interface Term {
  /**
   * Whether this server leads now, counted from the monotonic time at which the last successful renewal was sent. Checked before each
   * write of the leader, as a busy thread receives the end of a term late.
   */
  holds(): boolean;
  /** Resolves when the term has ended; never rejects. */
  readonly over: Promise<void>;
  /** Ends the term, so that others can lead at once. */
  resign(): Promise<void>;
}

/** The monotonic time in milliseconds until which this server leads; written by the thread that renews, read by the leader. */
export interface LeadershipCell {
  until: number;
}

/**
 * How long the event loop of the main thread may stall before its leases are no longer renewed, in milliseconds. It bounds how long a
 * server that is stuck leads and keeps nodes.
 */
export const maxStallMs = 30_000;
