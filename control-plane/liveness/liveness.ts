import type { Store } from '../store/store.ts';
import type { ServerIdentity } from './server-lease.ts';

/**
 * What shows others that this server, and the nodes that have their session with it, live: leases that are renewed without
 * waiting for requests. One implementation of the rules (`core.ts`) and two hosts: this thread, for simulations and tests, and a
 * thread of its own (`worker-liveness.ts`). All methods throw ApiError.
 */
export interface Liveness {
  /**
   * Makes the node's lease, in place of that of a former session, and takes heartbeats for it. Returns the revision of its Lease
   * object. Calls `silent`, once, when no heartbeat has come for the lease's time.
   */
  open(session: NodeSessionLease, silent: (reason: string) => void): Promise<number>;
  /** The session is over: its heartbeats are refused from now on. The lease runs out by itself, unless the node comes back. */
  close(sessionId: string): void;
  /** The node's Lease object was deleted: the next heartbeat makes it again. */
  leaseDeleted(sessionId: string): void;
  /** Shows the other servers where this one is, until it stops. */
  announce(server: ServerIdentity): Promise<void>;
  /**
   * Resolves when this server leads, by the name `holder`. One at a time: after the end of the term before. Rejects with the
   * signal's reason.
   */
  campaign(holder: string, signal: AbortSignal): Promise<Term>;
  /** Ends the announcement and all streams of heartbeats. */
  stop(): Promise<void>;
}

export interface NodeSessionLease {
  /** Not guessable: heartbeats name it. */
  readonly id: string;
  readonly node: string;
  readonly leaseMs: number;
}

/** A time during which this server leads. */
export interface Term {
  /**
   * Whether the leadership is confirmed for this moment, by the monotonic time at which the last confirmed renewal was sent. To be
   * asked before each write that only a leader may do: a thread that was busy knows of no event.
   */
  holds(): boolean;
  /** Resolves when it is over; never rejects. */
  readonly over: Promise<void>;
  /** Lets others lead at once. */
  resign(): Promise<void>;
}

/** Until when this server surely leads, in monotonic milliseconds; written by the thread that renews, read by the leader. */
export interface LeadershipCell {
  until: number;
}

/** What leases need of a store. */
export type LeaseStore = Pick<Store, 'get' | 'txn' | 'grantLease' | 'keepAlive' | 'revokeLease'>;

/**
 * How long the thread that serves requests may show no sign of life before nothing is renewed for it any more, in milliseconds. It
 * bounds how long a server that does nothing may lead and keep nodes.
 */
export const maxStallMs = 30_000;
