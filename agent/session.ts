import { backoffMs } from '../shared/backoff.ts';
import type { Clock, Timer } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Event, Node, NodeStatus } from '../shared/generated/types.ts';
import type { Log } from '../shared/log.ts';
import type { Random } from '../shared/random.ts';
import type {
  Connection,
  FromNode,
  PodStatusUpdate,
  SessionTransport,
  StreamRequest,
  ToNode,
  UsageReport,
} from '../shared/session.ts';
import { Wakeup } from '../shared/wakeup.ts';
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

/** What the session needs of the agent, and tells it. */
export interface SessionHandlers {
  /** The Node object of the hello. */
  node(): Node;
  welcome(message: Extract<ToNode, { type: 'welcome' }>): void;
  assignments(message: Extract<ToNode, { type: 'assignments' }>): void;
  openStream(id: string, request: StreamRequest, signal: AbortSignal): void;
  closeStream(id: string): void;
  /** All pods' statuses, for the beginning of a session. */
  statuses(): PodStatusUpdate[];
  /** The next event to tell, if there is one. */
  takeEvent(): Event | undefined;
  /** The node's status when it is to be sent now. */
  takeNodeStatus(): NodeStatus | undefined;
  /** What the node uses, when there is news of it. */
  takeUsage(): UsageReport | undefined;
  /** About once a second, whether there is a session or not. */
  tick(): void;
  /** A session has begun (after its welcome) or ended. */
  connected(connected: boolean): void;
  /** Before a hello: the control plane has not heard of this node for so long that it may have given its pods away. */
  forgotten(): void;
}

/** Milliseconds: until the server has said how often and how long. */
const firstHeartbeatMs = 1_000;
const welcomeWithinMs = 5_000;
/** Between two status reports: a burst of changes becomes one. */
const statusEveryMs = 50;
const statusGatherMs = 2;
const reconnect = { firstMs: 200, capMs: 2_000 };
/** A session of this length was a good one: the next try is quick again. */
const goodSessionMs = 3_000;

type Ending = { readonly established: boolean; readonly lastedMs: number };

/**
 * The agent's line to the control plane, one disposable session after another:
 *
 *     connect ─▶ hello ─▶ welcome ─▶ COMPLETE ─▶ INCREMENTAL … ─▶ end ─▶ backoff ─▶ connect
 *                                    heartbeats, statuses, events ─▶
 *
 * Whatever goes wrong (no welcome in time, no acknowledged heartbeat for the lease's time, a gap in the assignments, a broken
 * connection) ends the session whole. Statuses are kept until acknowledged, across sessions.
 */
export class AgentSession {
  readonly #deps: SessionDeps;
  readonly #log: Log;
  readonly #outbox = new StatusOutbox();
  readonly #wakeup = new Wakeup();
  #connected = false;
  /** When the control plane last showed that it holds this node's lease, and for how long that is good at least. */
  #held: { at: number; readonly leaseMs: number } | undefined;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'session' });
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** How many status reports the control plane has not stored yet. */
  get unacknowledged(): number {
    return this.#outbox.unacknowledged;
  }

  report(update: PodStatusUpdate): void {
    this.#outbox.put(update);
    this.#wakeup.ring();
  }

  /** There may be an event or a node status to send. */
  nudge(): void {
    this.#wakeup.ring();
  }

  /** Keeps a session up until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, handlers } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const { established, lastedMs } = await this.#session(signal);
      if (signal.aborted) return;
      if (established && lastedMs >= goodSessionMs) attempt = 0;
      await clock.sleep(backoffMs(attempt, reconnect, random), signal).catch(() => undefined);
      if (!signal.aborted) handlers.tick();
    }
  }

  async #session(outer: AbortSignal): Promise<Ending> {
    const { clock, handlers, transport } = this.#deps;
    const begun = clock.monotonic();
    const end = new AbortController();
    const signal = AbortSignal.any([outer, end.signal]);
    const state = new SessionState(begun);
    let beat: Timer | undefined;
    const schedule = (): void => {
      const due = clock.monotonic() + state.heartbeatMs;
      beat = clock.timer(state.heartbeatMs, () => {
        // What this process was late itself is not the server's silence: its answers may be waiting to be read.
        state.excuse(clock.monotonic() - due);
        handlers.tick();
        const failure = state.overdue(clock.monotonic());
        if (failure) return end.abort(new Error(failure));
        state.heartbeatDue = state.welcomed;
        this.#wakeup.ring();
        schedule();
      });
    };
    let connection: Connection<ToNode, FromNode> | undefined;
    try {
      schedule();
      const live = transport.connect(signal);
      connection = live;
      const { nodeName, instance } = this.#deps;
      if (this.#held && clock.monotonic() - this.#held.at >= this.#held.leaseMs) handlers.forgotten();
      const hello = connection.send({ type: 'hello', nodeName, node: handlers.node(), instance });
      const reading = this.#read(connection, state, signal);
      const writing = hello.then(() => this.#write(live, state, signal));
      await Promise.race([reading, writing, aborted(signal)]);
    } catch (error) {
      if (!outer.aborted) {
        const reason = messageOf(end.signal.reason ?? error);
        this.#log[state.welcomed ? 'warn' : 'debug']({ err: messageOf(error), reason }, 'session ended');
      }
    } finally {
      end.abort();
      beat?.cancel();
      connection?.close();
      if (this.#connected) {
        this.#connected = false;
        handlers.connected(false);
      }
    }
    return { established: state.welcomed, lastedMs: clock.monotonic() - begun };
  }

  async #read(connection: Connection<ToNode, FromNode>, state: SessionState, signal: AbortSignal): Promise<void> {
    for await (const message of connection.incoming) {
      if (signal.aborted) return;
      this.#take(message, state, signal);
    }
    throw new Error('the control plane has closed the session');
  }

  #take(message: ToNode, state: SessionState, signal: AbortSignal): void {
    const { clock, handlers } = this.#deps;
    switch (message.type) {
      case 'welcome':
        state.welcome(message, clock.monotonic());
        this.#held = { at: clock.monotonic(), leaseMs: message.leaseMs - message.heartbeatMs };
        this.#log.info({ session: message.sessionId }, 'session begun');
        this.#outbox.restart(handlers.statuses());
        this.#connected = true;
        handlers.welcome(message);
        handlers.connected(true);
        state.heartbeatDue = true;
        this.#wakeup.ring();
        return;
      case 'heartbeatAck':
        state.acknowledged(clock.monotonic());
        if (this.#held) this.#held.at = clock.monotonic();
        return;
      case 'assignments':
        state.chain(message);
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
        if (!state.welcomed) continue;
        for (let message = this.#next(state); message; message = this.#next(state)) {
          await connection.send(message);
          signal.throwIfAborted();
        }
        for (let status = handlers.takeNodeStatus(); status; status = undefined) {
          await connection.send({ type: 'nodeStatus', status });
        }
        const usage = handlers.takeUsage();
        if (usage) await connection.send({ type: 'metrics', report: usage });
        if (!this.#outbox.pending || timer) continue;
        const wait = Math.max(statusGatherMs, statusAt - clock.monotonic());
        timer = clock.timer(wait, () => {
          timer = undefined;
          statusAt = clock.monotonic() + statusEveryMs;
          state.statusDue = true;
          this.#wakeup.ring();
        });
      }
    } finally {
      timer?.cancel();
    }
  }

  #next(state: SessionState): FromNode | undefined {
    if (state.heartbeatDue) {
      state.heartbeatDue = false;
      return { type: 'heartbeat', sequence: ++state.sequence };
    }
    if (state.statusDue) {
      const batch = this.#outbox.take();
      if (batch) return { type: 'podStatus', ...batch };
      state.statusDue = false;
    }
    const event = this.#deps.handlers.takeEvent();
    return event && { type: 'event', event };
  }
}

/** What one session knows of itself. */
class SessionState {
  heartbeatMs = firstHeartbeatMs;
  sequence = 0;
  heartbeatDue = false;
  statusDue = false;
  welcomed = false;
  #leaseMs = welcomeWithinMs;
  /** When the server last showed that it holds the session. */
  #lastSeen: number;
  /** What the next INCREMENTAL must apply to; undefined before the first COMPLETE. */
  #applied: number | undefined;

  constructor(now: number) {
    this.#lastSeen = now;
  }

  welcome({ heartbeatMs, leaseMs }: Extract<ToNode, { type: 'welcome' }>, now: number): void {
    if (this.welcomed) throw new Error('a second welcome');
    this.welcomed = true;
    this.heartbeatMs = Math.max(1, heartbeatMs);
    this.#leaseMs = Math.max(this.heartbeatMs, leaseMs);
    this.#lastSeen = now;
  }

  acknowledged(now: number): void {
    this.#lastSeen = now;
  }

  excuse(lateMs: number): void {
    if (lateMs > this.heartbeatMs / 2) this.#lastSeen += lateMs;
  }

  overdue(now: number): string | undefined {
    if (now - this.#lastSeen < this.#leaseMs) return undefined;
    return this.welcomed ? `no heartbeat was acknowledged for ${this.#leaseMs} ms` : 'no welcome in time';
  }

  /** Throws on a gap: assignments hold only for the state they name. */
  chain({ mode, appliesTo, resultsIn }: Extract<ToNode, { type: 'assignments' }>): void {
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
