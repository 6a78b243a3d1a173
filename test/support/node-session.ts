import type { ConfigMap, Event, NodeStatus, Pod, PodStatus, Secret } from '../../shared/generated/types.ts';
import type {
  Assignment,
  Connection,
  FromNode,
  Heartbeat,
  HeartbeatAck,
  LogStreamParameters,
  OwnNode,
  PodStatusUpdate,
  SessionTransport,
  StreamRequest,
  ToNode,
  TunnelFrame,
} from '../../shared/session.ts';

/** A queue that is read as an async iterable; `end` ends it, or breaks it with an error. */
class Pipe<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #ended: { error?: Error } | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#wake?.();
  }

  end(error?: Error): void {
    this.#ended ??= error ? { error } : {};
    this.#wake?.();
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#ended?.error) throw this.#ended.error;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

/** Two ends of one connection in memory. */
export function connectionPair<A, B>(): [Connection<A, B>, Connection<B, A>, (error?: Error) => void] {
  const left = new Pipe<A>();
  const right = new Pipe<B>();
  const cut = (error?: Error): void => {
    left.end(error);
    right.end(error);
  };
  const end = <In, Out>(incoming: Pipe<In>, outgoing: Pipe<Out>): Connection<In, Out> => ({
    incoming,
    async send(message) {
      if (outgoing.ended) throw new Error('the connection is gone');
      outgoing.push(message);
    },
    close: () => cut(),
  });
  return [end(left, right), end(right, left), cut];
}

/**
 * A control plane of one node, for tests of the agent: assigns what the test sets, keeps what the agent reports, and
 * fails on demand. It checks nothing.
 */
export class ScriptedControlPlane {
  readonly pods = new Map<string, Pod>();
  readonly statuses = new Map<string, PodStatus>();
  readonly terminated = new Set<string>();
  readonly events: Event[] = [];
  /** The names of volumes whose data is gone. */
  readonly deletedVolumes: string[] = [];
  readonly registrations: Array<Extract<FromNode, { type: 'register' }>> = [];
  readonly reports: PodStatusUpdate[] = [];
  readonly tunnels = new Map<string, Connection<TunnelFrame, TunnelFrame>>();
  nodeStatus: NodeStatus | undefined;
  heartbeats = 0;
  /** Refuses new sessions while false. */
  up = true;
  acknowledgeStatuses = true;
  acknowledgeHeartbeats = true;
  podCIDR = '10.64.3.0/24';
  /** What the node hears of itself at the beginning of a session; absent: nothing. */
  ownNode: OwnNode | undefined;
  readonly #inputs = new Map<string, Assignment>();
  #session: ServedSession | undefined;

  readonly transport: SessionTransport = {
    connect: () => {
      const [agent, server, cut] = connectionPair<ToNode, FromNode>();
      if (this.up) void this.#serve(server, cut);
      else cut(new Error('connection refused'));
      return { ...agent, heartbeats: () => this.#dialHeartbeats() };
    },
    tunnel: (id) => {
      const [agent, server] = connectionPair<TunnelFrame, TunnelFrame>();
      this.tunnels.set(id, server);
      return agent;
    },
  };

  get connected(): boolean {
    return this.#session !== undefined;
  }

  assign(pod: Pod): void {
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
    this.pods.set(name, pod);
    this.send([assignmentOf(pod)]);
  }

  put(object: ConfigMap | Secret): void {
    const { namespace = '', name } = object.metadata;
    const assignment: Assignment = { kind: object.kind, namespace, name, removed: false, object };
    this.#inputs.set(`${object.kind}/${namespace}/${name}`, assignment);
    this.send([assignment]);
  }

  /** Assigns an object of another kind. */
  putAs(kind: string, key: string, object: object): void {
    const [name = '', namespace = ''] = key.split('/').reverse();
    const assignment: Assignment = { kind, namespace, name, removed: false, object };
    this.#inputs.set(`${kind}/${key}`, assignment);
    this.send([assignment]);
  }

  /** Takes a ConfigMap or Secret away. */
  withdraw({ kind, metadata: { namespace = '', name } }: ConfigMap | Secret): void {
    this.#inputs.delete(`${kind}/${namespace}/${name}`);
    this.send([{ kind, namespace, name, removed: true }]);
  }

  /** Begins a graceful deletion. */
  delete(name: string, graceSeconds = 30): void {
    const pod = this.pods.get(name);
    if (!pod) throw new Error(`no pod ${name}`);
    const metadata = {
      ...pod.metadata,
      resourceVersion: String(Number(pod.metadata.resourceVersion || '0') + 1),
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: graceSeconds,
    };
    this.assign({ ...pod, metadata });
  }

  /** Takes the pod away at once. */
  remove(name: string): void {
    const pod = this.pods.get(name);
    if (!pod) return;
    this.pods.delete(name);
    const { namespace = '', name: podName } = pod.metadata;
    this.send([{ kind: 'Pod', namespace, name: podName, removed: true }]);
  }

  /** Sends changes; `skip` leaves out numbers, as a lost message would. */
  send(changes: Assignment[], skip = 0): void {
    const session = this.#session;
    if (!session) return;
    session.version += skip;
    const message: ToNode = {
      type: 'assignments',
      mode: 'INCREMENTAL',
      appliesTo: session.version,
      resultsIn: session.version + 1,
      changes,
    };
    session.version++;
    void session.connection.send(message).catch(() => undefined);
  }

  openLogs(id: string, parameters: LogStreamParameters): void {
    this.openStream(id, { stream: 'logs', parameters });
  }

  openStream(id: string, request: StreamRequest): void {
    void this.#session?.connection.send({ type: 'openStream', id, ...request });
  }

  closeStream(id: string): void {
    void this.#session?.connection.send({ type: 'closeStream', id });
  }

  /** Ends the session, and refuses others until `up` is set. */
  crash(): void {
    this.up = false;
    this.cut();
  }

  cut(): void {
    for (const cut of this.#session?.cuts ?? []) cut(new Error('connection reset'));
    this.#session = undefined;
  }

  #dialHeartbeats(): Connection<HeartbeatAck, Heartbeat> {
    const [agent, server, cut] = connectionPair<HeartbeatAck, Heartbeat>();
    const session = this.#session;
    if (!this.up || !session) {
      cut(new Error('connection refused'));
      return agent;
    }
    session.cuts.push(cut);
    const answer = async (): Promise<void> => {
      for await (const { sequence } of server.incoming) {
        this.heartbeats++;
        if (this.acknowledgeHeartbeats) await server.send({ sequence });
      }
    };
    // The agent, or the test, cuts it.
    void answer().catch(() => undefined);
    return agent;
  }

  #ownNode(name: string): Assignment[] {
    return this.ownNode ? [{ kind: 'OwnNode', namespace: '', name, removed: false, object: this.ownNode }] : [];
  }

  async #serve(connection: Connection<FromNode, ToNode>, cut: (error?: Error) => void): Promise<void> {
    const session: ServedSession = { connection, cuts: [cut], version: 1 };
    try {
      for await (const message of connection.incoming) await this.#take(message, session);
    } catch {
      // The session was cut: by the test, or by the agent.
    } finally {
      if (this.#session === session) this.#session = undefined;
    }
  }

  async #take(message: FromNode, session: ServedSession): Promise<void> {
    const { connection } = session;
    switch (message.type) {
      case 'register':
        this.registrations.push(message);
        this.#session = session;
        await connection.send({
          type: 'registered',
          sessionId: String(this.registrations.length),
          heartbeatMs: 1000,
          leaseMs: 5000,
          podCIDR: this.podCIDR,
          heartbeats: { port: 0 },
          clusterCIDR: '10.64.0.0/10',
          servers: [],
        });
        await connection.send({
          type: 'assignments',
          mode: 'COMPLETE',
          appliesTo: 0,
          resultsIn: session.version,
          changes: [
            ...this.#ownNode(message.nodeName),
            ...this.#inputs.values(),
            ...[...this.pods.values()].map(assignmentOf),
          ],
        });
        return;
      case 'podStatus':
        if (!this.acknowledgeStatuses) return;
        for (const update of message.updates) {
          this.reports.push(update);
          const name = `${update.namespace}/${update.name}`;
          if (update.status) this.statuses.set(name, update.status);
          if (update.terminated) {
            this.terminated.add(update.uid);
            if (this.pods.get(name)?.metadata.uid === update.uid) this.remove(name);
          }
        }
        await connection.send({ type: 'statusAck', sequence: message.sequence });
        return;
      case 'nodeStatus':
        this.nodeStatus = message.status;
        return;
      case 'event':
        this.events.push(message.event);
        return;
      case 'volumeDeleted':
        this.deletedVolumes.push(message.name);
    }
  }
}

function assignmentOf(pod: Pod): Assignment {
  return {
    kind: 'Pod',
    namespace: pod.metadata.namespace ?? '',
    name: pod.metadata.name,
    removed: false,
    object: pod,
  };
}

interface ServedSession {
  readonly connection: Connection<FromNode, ToNode>;
  /** Cut its connections. */
  readonly cuts: Array<(error?: Error) => void>;
  /** What the last message of assignments resulted in. */
  version: number;
}
