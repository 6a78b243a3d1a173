import { backoffMs } from '../../shared/backoff.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Event, Node, NodeStatus } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { Random } from '../../shared/random.ts';
import type {
  Connection,
  FromNode,
  PodStatusUpdate,
  SessionLine,
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

/** What the session needs of the agent, and tells it. */
export interface SessionHandlers {
  /** The Node object of the hello. */
  node(): Node;
  welcome(message: Welcome): void;
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
  /** A session has begun (after its welcome) or ended. */
  connected(connected: boolean): void;
  /** Before a hello: the control plane has not heard of this node for so long that it may have given its pods away. */
  forgotten(): void;
}

/** Milliseconds. */
const welcomeCheckMs = 1_000;
const welcomeWithinMs = 5_000;
/** Between two status reports: a burst of changes becomes one. */
const statusEveryMs = 50;
const statusGatherMs = 2;
const reconnect = { firstMs: 200, capMs: 2_000 };
/** A session of this length was a good one: the next try is quick again. */
const goodSessionMs = 3_000;

type Welcome = Extract<ToNode, { type: 'welcome' }>;
type Ending = { readonly established: boolean; readonly lastedMs: number };

/**
 * The agent's line to the control plane, one disposable session after another:
 *
 *     connect ─▶ hello ─▶ welcome ─▶ COMPLETE ─▶ INCREMENTAL … ─▶ end ─▶ backoff ─▶ connect
 *                            │       statuses, events ─▶
 *                            └─▶ heartbeats, on a connection of their own
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
  /** From when on the node's lease was surely good, by the monotonic clock, and for how long at least. */
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
    this.#wakeup.wake();
  }

  /** There may be an event or a node status to send. */
  nudge(): void {
    this.#wakeup.wake();
  }

  /** Keeps a session up until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const { established, lastedMs } = await this.#session(signal);
      if (established && lastedMs >= goodSessionMs) attempt = 0;
      await clock.sleep(backoffMs(attempt, reconnect, random), signal).catch(() => undefined);
    }
  }

  async #session(outer: AbortSignal): Promise<Ending> {
    const { clock, handlers, transport } = this.#deps;
    const begun = clock.monotonic();
    const end = new AbortController();
    const signal = AbortSignal.any([outer, end.signal]);
    const state = new SessionState(begun);
    let timer: Timer | undefined;
    const checkWelcome = (): void => {
      const due = clock.monotonic() + welcomeCheckMs;
      timer = clock.timer(welcomeCheckMs, () => {
        if (state.welcomed) return;
        // A delay of this process is not the server's silence: its welcome may be waiting to be read.
        state.excuse(clock.monotonic() - due);
        if (state.overdue(clock.monotonic())) end.abort(new Error('no welcome in time'));
        else checkWelcome();
      });
    };
    let connection: SessionLine | undefined;
    try {
      checkWelcome();
      const live = transport.connect(signal);
      connection = live;
      const { nodeName, instance } = this.#deps;
      if (this.#held && clock.monotonic() - this.#held.at >= this.#held.leaseMs) handlers.forgotten();
      const helloAt = clock.monotonic();
      const hello = connection.send({ type: 'hello', nodeName, node: handlers.node(), instance });
      const welcomed = (message: Welcome): void => {
        // The lease was made after the hello was sent.
        this.#held = { at: helloAt, leaseMs: message.leaseMs };
        this.#welcome(message, state);
        this.#beat(live, message, signal).catch((error) => end.abort(error));
      };
      const reading = this.#read(live, state, welcomed, signal);
      const writing = hello.then(() => this.#write(live, state, signal));
      await Promise.race([reading, writing, aborted(signal)]);
    } catch (error) {
      if (!outer.aborted) {
        const reason = messageOf(end.signal.reason ?? error);
        this.#log[state.welcomed ? 'warn' : 'debug']({ err: messageOf(error), reason }, 'session ended');
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
    return { established: state.welcomed, lastedMs: clock.monotonic() - begun };
  }

  #welcome(message: Welcome, state: SessionState): void {
    const { handlers } = this.#deps;
    state.welcome();
    this.#log.info({ session: message.sessionId }, 'session begun');
    this.#outbox.restart(handlers.statuses());
    this.#connected = true;
    handlers.welcome(message);
    handlers.connected(true);
    this.#wakeup.wake();
  }

  async #beat(line: SessionLine, welcome: Welcome, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#deps;
    const confirmed = (sentAt: number): void => {
      if (this.#held) this.#held.at = sentAt;
    };
    await new Heartbeats({ clock, random, log, line, confirmed }, welcome).run(signal);
  }

  async #read(
    connection: Connection<ToNode, FromNode>,
    state: SessionState,
    welcomed: (message: Welcome) => void,
    signal: AbortSignal,
  ): Promise<void> {
    for await (const message of connection.incoming) {
      if (signal.aborted) return;
      if (message.type === 'welcome') welcomed(message);
      else this.#take(message, state, signal);
    }
    throw new Error('the control plane has closed the session');
  }

  #take(message: Exclude<ToNode, Welcome>, state: SessionState, signal: AbortSignal): void {
    const { handlers } = this.#deps;
    switch (message.type) {
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
    const event = this.#deps.handlers.takeEvent();
    return event && { type: 'event', event };
  }
}

/** What one session knows of itself. */
class SessionState {
  statusDue = false;
  welcomed = false;
  /** When the session was begun, later by what this process was late since. */
  #begun: number;
  /** What the next INCREMENTAL must apply to; undefined before the first COMPLETE. */
  #applied: number | undefined;

  constructor(now: number) {
    this.#begun = now;
  }

  welcome(): void {
    if (this.welcomed) throw new Error('a second welcome');
    this.welcomed = true;
  }

  excuse(lateMs: number): void {
    if (lateMs > welcomeCheckMs / 2) this.#begun += lateMs;
  }

  /** Whether the welcome is. */
  overdue(now: number): boolean {
    return !this.welcomed && now - this.#begun >= welcomeWithinMs;
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
