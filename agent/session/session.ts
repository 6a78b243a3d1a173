import { backoffMs } from '../../shared/backoff.ts';
import { type Clock, pause, type Timer } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Event, Node, NodeStatus } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type {
  Connection,
  FromNode,
  PodStatusUpdate,
  SessionConnection,
  SessionTransport,
  StreamRequest,
  ToNode,
  UsageReport,
} from '../../shared/session.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import { Heartbeats } from './heartbeats.ts';
import { StatusOutbox } from './status-outbox.ts';

export interface SessionDeps {
  readonly transport: SessionTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly nodeName: string;
  /** New with each process. */
  readonly instance: string;
  readonly handlers: SessionHandlers;
}

/** The agent as its session needs it. */
export interface SessionHandlers {
  /** The Node object to register. */
  node(): Node;
  registered(message: Registered): void;
  assignments(message: Extract<ToNode, { type: 'assignments' }>): void;
  openStream(id: string, request: StreamRequest, signal: AbortSignal): void;
  closeStream(id: string): void;
  /** The statuses of all pods, sent at the beginning of a session. */
  statuses(): PodStatusUpdate[];
  /** The next event to send, if there is one. */
  takeEvent(): Event | undefined;
  /** The node's status if it is to be sent now. */
  takeNodeStatus(): NodeStatus | undefined;
  /** What the node uses, if it was measured since the last call. */
  takeUsage(): UsageReport | undefined;
  /** The next volume whose data is gone. */
  takeVolumeDeletion(): { readonly name: string; readonly uid: string } | undefined;
  /** A session has begun (the node is registered) or ended. */
  connected(connected: boolean): void;
  /** Called before a registration: the node's lease may have expired, and its pods may have been replaced. */
  leaseExpired(): void;
}

/** How often the registration's deadline is checked, and the deadline. Milliseconds. */
const registrationCheckMs = 1_000;
const registrationMs = 5_000;
/** The least time between two status reports, and how long a first change waits for others. */
const statusEveryMs = 50;
const statusGatherMs = 2;
const reconnect = { firstMs: 200, capMs: 2_000 };
/** After a session that lasted this long the backoff starts anew. */
const goodSessionMs = 3_000;

type Registered = Extract<ToNode, { type: 'registered' }>;
type Ending = { readonly established: boolean; readonly lastedMs: number };

/**
 * The agent's sessions with the control plane, one after another:
 *
 *     connect ─▶ register ─▶ registered ─▶ COMPLETE ─▶ INCREMENTAL … ─▶ end ─▶ backoff ─▶ connect
 *                                │         statuses, events ─▶
 *                                └─▶ heartbeats, on a connection of their own
 *
 * Any failure (no registration in time, no acknowledged heartbeat within the lease's duration, a gap in the assignments, a broken
 * connection) ends the whole session. Statuses are kept across sessions until they are acknowledged.
 */
export class AgentSession {
  readonly #deps: SessionDeps;
  readonly #log: Log;
  readonly #outbox = new StatusOutbox();
  readonly #wakeup = new Wakeup();
  #connected = false;
  #begun = 0;
  /** When the heartbeat that last renewed the node's lease was sent, by the monotonic clock, and the lease's duration. */
  #lease: { renewedAt: number; readonly leaseMs: number } | undefined;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'session' });
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Sessions begun since the start. */
  get begun(): number {
    return this.#begun;
  }

  /** How many status reports the control plane has not acknowledged. */
  get unacknowledged(): number {
    return this.#outbox.unacknowledged;
  }

  report(update: PodStatusUpdate): void {
    this.#outbox.put(update);
    this.#wakeup.wake();
  }

  /** There may be an event, a deletion, a node status or a usage report to send. */
  notify(): void {
    this.#wakeup.wake();
  }

  /** Keeps a session up until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const { established, lastedMs } = await this.#session(signal);
      if (established && lastedMs >= goodSessionMs) attempt = 0;
      await pause(clock, backoffMs(attempt, reconnect, random), signal);
    }
  }

  async #session(outer: AbortSignal): Promise<Ending> {
    const { clock, handlers, transport } = this.#deps;
    const begun = clock.monotonic();
    const end = new AbortController();
    const signal = AbortSignal.any([outer, end.signal]);
    const state = new SessionState(begun);
    let timer: Timer | undefined;
    const checkRegistration = (): void => {
      const due = clock.monotonic() + registrationCheckMs;
      timer = clock.timer(registrationCheckMs, () => {
        if (state.registered) return;
        // This process may have been late itself: the server's answer may be waiting to be read.
        state.addDelay(clock.monotonic() - due);
        if (state.isOverdue(clock.monotonic())) end.abort(new Error('not registered in time'));
        else checkRegistration();
      });
    };
    let connection: SessionConnection | undefined;
    try {
      checkRegistration();
      const live = transport.connect(signal);
      connection = live;
      const { nodeName, instance } = this.#deps;
      const lease = this.#lease;
      if (lease && clock.monotonic() - lease.renewedAt >= lease.leaseMs) handlers.leaseExpired();
      const sentAt = clock.monotonic();
      const sent = connection.send({ type: 'register', nodeName, node: handlers.node(), instance });
      const registered = (message: Registered): void => {
        // The lease was granted after the message was sent.
        this.#lease = { renewedAt: sentAt, leaseMs: message.leaseMs };
        this.#begin(message, state);
        this.#sendHeartbeats(live, message, signal).catch((error) => end.abort(error));
      };
      const reading = this.#read(live, state, registered, signal);
      const writing = sent.then(() => this.#write(live, state, signal));
      await Promise.race([reading, writing, aborted(signal)]);
    } catch (error) {
      if (!outer.aborted) {
        const reason = messageOf(end.signal.reason ?? error);
        this.#log[state.registered ? 'warn' : 'debug']({ err: messageOf(error), reason }, 'session ended');
      }
    } finally {
      end.abort();
      timer?.cancel();
      connection?.close();
      if (this.#connected) {
        this.#connected = false;
        handlers.connected(false);
      }
    }
    return { established: state.registered, lastedMs: clock.monotonic() - begun };
  }

  #begin(message: Registered, state: SessionState): void {
    const { handlers } = this.#deps;
    state.register();
    this.#log.info({ session: message.sessionId }, 'session begun');
    this.#outbox.restart(handlers.statuses());
    this.#connected = true;
    this.#begun++;
    handlers.registered(message);
    handlers.connected(true);
    this.#wakeup.wake();
  }

  async #sendHeartbeats(connection: SessionConnection, registered: Registered, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const acknowledged = (sentAt: number): void => {
      if (this.#lease) this.#lease.renewedAt = sentAt;
    };
    await new Heartbeats({ clock, random, log, connection, acknowledged }, registered).run(signal);
  }

  async #read(
    connection: Connection<ToNode, FromNode>,
    state: SessionState,
    registered: (message: Registered) => void,
    signal: AbortSignal,
  ): Promise<void> {
    for await (const message of connection.incoming) {
      if (signal.aborted) return;
      if (message.type === 'registered') registered(message);
      else this.#take(message, state, signal);
    }
    throw new Error('the control plane has closed the session');
  }

  #take(message: Exclude<ToNode, Registered>, state: SessionState, signal: AbortSignal): void {
    const { handlers } = this.#deps;
    switch (message.type) {
      case 'assignments':
        state.follow(message);
        handlers.assignments(message);
        return;
      case 'statusAck':
        this.#outbox.acknowledge(message.sequence);
        return;
      case 'openStream':
        handlers.openStream(message.id, message, signal);
        return;
      case 'closeStream':
        handlers.closeStream(message.id);
    }
  }

  /** The only writer of the connection: each message waits for the one before. */
  async #write(connection: Connection<ToNode, FromNode>, state: SessionState, signal: AbortSignal): Promise<void> {
    const { clock, handlers } = this.#deps;
    let statusAt = 0;
    let timer: Timer | undefined;
    try {
      for (;;) {
        await this.#wakeup.wait(signal);
        if (!state.registered) continue;
        for (let message = this.#next(state); message; message = this.#next(state)) {
          await connection.send(message);
          signal.throwIfAborted();
        }
        const status = handlers.takeNodeStatus();
        if (status) await connection.send({ type: 'nodeStatus', status });
        const usage = handlers.takeUsage();
        if (usage) await connection.send({ type: 'metrics', report: usage });
        if (!this.#outbox.pending || timer) continue;
        const wait = Math.max(statusGatherMs, statusAt - clock.monotonic());
        timer = clock.timer(wait, () => {
          timer = undefined;
          statusAt = clock.monotonic() + statusEveryMs;
          state.statusDue = true;
          this.#wakeup.wake();
        });
      }
    } finally {
      timer?.cancel();
    }
  }

  #next(state: SessionState): FromNode | undefined {
    if (state.statusDue) {
      const batch = this.#outbox.take();
      if (batch) return { type: 'podStatus', ...batch };
      state.statusDue = false;
    }
    const deleted = this.#deps.handlers.takeVolumeDeletion();
    if (deleted) return { type: 'volumeDeleted', ...deleted };
    const event = this.#deps.handlers.takeEvent();
    return event && { type: 'event', event };
  }
}

/** The state of one session. */
class SessionState {
  statusDue = false;
  registered = false;
  /** When the session was begun, plus the delays of this process since then. */
  #begun: number;
  /** What the next INCREMENTAL must apply to; undefined before the first COMPLETE. */
  #applied: number | undefined;

  constructor(now: number) {
    this.#begun = now;
  }

  register(): void {
    if (this.registered) throw new Error('registered twice');
    this.registered = true;
  }

  /** Counts a delay of this process out of the registration's time. */
  addDelay(lateMs: number): void {
    if (lateMs > registrationCheckMs / 2) this.#begun += lateMs;
  }

  isOverdue(now: number): boolean {
    return !this.registered && now - this.#begun >= registrationMs;
  }

  /** Throws on a gap: changes hold only for the state that they name. */
  follow({ mode, appliesTo, resultsIn }: Extract<ToNode, { type: 'assignments' }>): void {
    if (mode === 'INCREMENTAL' && appliesTo !== this.#applied) {
      throw new Error(`a gap in the assignments: at ${this.#applied ?? 'nothing'}, got changes to ${appliesTo}`);
    }
    this.#applied = resultsIn;
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
