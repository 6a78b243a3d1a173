import { pino } from 'pino';
import { AgentSession } from '../../agent/session/session.ts';
import type { Timer } from '../../shared/clock.ts';
import type { Event, Node, NodeStatus } from '../../shared/generated/types.ts';
import { seededRandom } from '../../shared/random.ts';
import type {
  Connection,
  FromNode,
  Heartbeat,
  HeartbeatAck,
  PodStatusUpdate,
  SessionConnection,
  ToNode,
  UsageReport,
} from '../../shared/session.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { connectionPair } from './node-session.ts';

type Registered = Extract<ToNode, { type: 'registered' }>;

export function registered(sessionId = '1', more: Partial<Registered> = {}): Registered {
  return {
    type: 'registered',
    sessionId,
    heartbeatMs: 1_000,
    leaseMs: 5_000,
    podCIDR: '10.64.3.0/24',
    clusterCIDR: '10.64.0.0/10',
    servers: [],
    heartbeats: { port: 0 },
    ...more,
  };
}

/** `phase` distinguishes one status of the pod from another. */
export function statusOf(uid: string, phase = '1', terminated = false): PodStatusUpdate {
  return { namespace: 'default', name: uid, uid, status: { phase }, terminated };
}

/** One session of the agent's, seen from the other end. */
export interface ServedSession {
  /** When it was dialled and ended, by the scene's clock. */
  readonly at: number;
  readonly endedAt: number;
  /** In the order of their coming. */
  readonly received: FromNode[];
  /** The agent has closed it. */
  readonly closed: boolean;
  send(message: ToNode): Promise<void>;
  /** Ends it as a server does that goes away in good order, or breaks it. */
  close(): void;
  cut(): void;
  /** The statuses that were received: pod and phase. */
  statuses(): string[];
}

/** An agent's session with an agent and a server that do what the test says. */
export class AgentScene {
  readonly clock = new VirtualClock();
  readonly sessions: ServedSession[] = [];
  /** The session events that the agent was notified of. */
  readonly notified: string[] = [];
  /** What each message of assignments that was taken results in. */
  readonly assigned: number[] = [];
  readonly streams: string[] = [];
  readonly signals: AbortSignal[] = [];
  readonly events: Event[] = [];
  readonly nodeStatuses: NodeStatus[] = [];
  readonly usages: UsageReport[] = [];
  statuses: PodStatusUpdate[] = [];
  node = { metadata: { name: 'node-1' } } as Node;
  /** The loop of sessions has ended. */
  over = false;
  /** Dials are refused. */
  refuse = false;
  failing: 'dial' | 'register' | undefined;
  /** Whether heartbeats are acknowledged. */
  acknowledging = true;
  /** How late this process' timers are, milliseconds altogether. */
  lateMs = 0;
  /** Timers that have not fired. */
  timers = 0;
  /** The texts of errors that were warned of. */
  readonly warnings: string[] = [];
  /** What the agent sends is not taken before this resolves. */
  taken: Promise<void> | undefined;
  readonly session: AgentSession;
  readonly #stop = new AbortController();

  constructor(seed = 1) {
    const { clock } = this;
    this.session = new AgentSession({
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic() + this.lateMs,
        timer: (ms, fire) => this.#timer(ms, fire),
        sleep: (ms, signal) => clock.sleep(ms, signal),
      },
      random: seededRandom(seed),
      log: pino(
        { level: 'warn' },
        { write: (line) => this.warnings.push((JSON.parse(line) as { reason: string }).reason) },
      ),
      nodeName: 'node-1',
      instance: 'instance-1',
      transport: {
        connect: () => this.#connect(),
        tunnel: () => {
          throw new Error('the session dials no tunnel');
        },
      },
      handlers: {
        node: () => this.node,
        registered: ({ sessionId }) => this.notified.push(`registered ${sessionId}`),
        assignments: ({ resultsIn }) => this.assigned.push(resultsIn),
        openStream: (id, { stream }, signal) => {
          this.streams.push(`open ${id} ${stream}`);
          this.signals.push(signal);
        },
        closeStream: (id) => this.streams.push(`close ${id}`),
        statuses: () => this.statuses,
        takeEvent: () => this.events.shift(),
        takeNodeStatus: () => this.nodeStatuses.shift(),
        takeUsage: () => this.usages.shift(),
        takeVolumeDeletion: () => undefined,
        connected: (connected) => this.notified.push(connected ? 'connected' : 'disconnected'),
        leaseExpired: () => this.notified.push('lease expired'),
      },
    });
  }

  get newest(): ServedSession {
    const newest = this.sessions.at(-1);
    if (!newest) throw new Error('nothing was dialled');
    return newest;
  }

  start(): void {
    void this.session.run(this.#stop.signal).then(() => {
      this.over = true;
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Registers the node in the newest session. */
  async established(more: Partial<Registered> = {}): Promise<void> {
    await this.clock.advance(0);
    await this.newest.send(registered(String(this.sessions.length), more));
    await this.clock.advance(0);
  }

  #timer(ms: number, fire: () => void): Timer {
    this.timers++;
    let over = false;
    const end = (): void => {
      if (!over) this.timers--;
      over = true;
    };
    const timer = this.clock.timer(ms, () => {
      end();
      fire();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }

  #connect(): SessionConnection {
    const [agent, server, cut] = connectionPair<ToNode, FromNode>();
    const { clock } = this;
    const received: FromNode[] = [];
    const session = {
      at: clock.monotonic(),
      endedAt: 0,
      received,
      closed: false,
      send: (message: ToNode) => server.send(message),
      close: () => cut(),
      cut: () => cut(new Error('connection reset')),
      statuses: () =>
        received.flatMap((message) =>
          message.type === 'podStatus' ? message.updates.map(({ uid, status }) => uid + (status?.phase ?? '')) : [],
        ),
    };
    this.sessions.push(session);
    if (this.failing === 'dial') {
      session.endedAt = session.at;
      throw new Error('no route');
    }
    if (this.refuse) cut(new Error('connection refused'));
    void this.#receive(server, received);
    return {
      incoming: agent.incoming,
      send: async (message) => {
        if (this.failing === 'register') throw new Error('no way out');
        await agent.send(message);
        await this.taken;
      },
      close: () => {
        session.closed = true;
        session.endedAt = clock.monotonic();
        agent.close();
      },
      heartbeats: () => this.#heartbeats(),
    };
  }

  async #receive(server: Connection<FromNode, ToNode>, received: FromNode[]): Promise<void> {
    try {
      for await (const message of server.incoming) received.push(message);
    } catch {
      // The test, or the agent, has cut it.
    }
  }

  #heartbeats(): Connection<HeartbeatAck, Heartbeat> {
    const [agent, server] = connectionPair<HeartbeatAck, Heartbeat>();
    const answer = async (): Promise<void> => {
      for await (const { sequence } of server.incoming) if (this.acknowledging) await server.send({ sequence });
    };
    void answer().catch(() => undefined);
    return agent;
  }
}
