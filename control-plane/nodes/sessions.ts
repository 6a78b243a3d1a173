import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Kind, Service } from '../../shared/generated/types.ts';
import type { Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import { type Ipv4, parseIpv4 } from '../../shared/net/ipv4.ts';
import type { NodeReport } from '../../shared/peers.ts';
import { bindEnrollment, unbindEnrollment } from '../../shared/pki/node-enrollments.ts';
import { type Random, uuid } from '../../shared/random.ts';
import type {
  Connection,
  FromNode,
  HeartbeatTarget,
  SessionCaller,
  SessionServer,
  StreamRequest,
  ToNode,
} from '../../shared/session.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { nodesGroup, nodeUserPrefix } from '../../shared/well-known.ts';
import type { Liveness } from '../liveness/liveness.ts';
import { serverLeaseNamespace, serverOf } from '../liveness/server-lease.ts';
import type { Store } from '../store/store.ts';
import { assignedKinds } from './assigned/kinds.ts';
import { releasePodCIDR } from './pod-cidr.ts';
import { registerNode } from './registration.ts';
import { Session } from './session.ts';
import { type Tunnel, Tunnels } from './tunnels.ts';
import { NodeUsage } from './usage.ts';

/** The time within which a connection must register its node. Milliseconds. */
const registerMs = 10_000;
/** Sessions that one node opens: an agent tries again after two seconds, and sooner only at first. */
const startRate = { burst: 20, perSecond: 2 };
/** How far behind the store the informers may be before a session is refused. */
const catchUpMs = 5_000;

/** The kinds that the informers must hold: what nodes are assigned, and what sessions read themselves. */
export const sessionKinds: readonly Kind[] = [
  'Node',
  'Pod',
  'Lease',
  'Service',
  ...assignedKinds.map(({ source }) => source),
];

export interface NodeSessionsDeps {
  readonly store: Store;
  /** The API under the caller's own identity: it may do what the caller may do over REST, and is audited as that. */
  readonly clientOf: (caller: SessionCaller) => Client;
  /** The API under the identity that gives nodes their ranges. */
  readonly ranges: Pick<Client, 'patch'>;
  /** Over at least `sessionKinds`. */
  readonly informers: Informers;
  /** Keeps which Node the machine of a certificate has registered. */
  readonly enrollments: Pick<Client, 'get' | 'create' | 'update'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Keeps the nodes' leases. */
  readonly liveness: Pick<Liveness, 'open' | 'close' | 'leaseDeleted'>;
  /** Where agents send their heartbeats. */
  readonly heartbeats: () => HeartbeatTarget;
  /** The range that nodes get their pod ranges from: `10.64.0.0/14`. */
  readonly clusterCIDR: string;
  /** How often a node reports, and after how long a silence it counts as lost. */
  readonly heartbeatMs: number;
  readonly leaseMs: number;
}

/** What the API server knows of the nodes that have their session with it. */
export interface NodeSessions extends SessionServer {
  /**
   * Undefined when the node has no session here. Closing the stream, or aborting the signal, ends at once what it runs on the node.
   */
  open(node: string, request: StreamRequest, signal: AbortSignal): Promise<Tunnel> | undefined;
  /** Whether the node has a session here, and can be asked for streams. */
  serves(node: string): boolean;
  /** What `nodes` (all, when none are named) last said that they and their pods use, if that was lately and to this server. */
  usage(nodes: readonly string[]): Iterable<NodeReport>;
  /** The nodes with a session. */
  nodes(): readonly string[];
  /** Ends all sessions; the agents dial again until a server answers. */
  close(): void;
}

export function createNodeSessions(deps: NodeSessionsDeps): NodeSessions {
  const { clock, random, informers, store } = deps;
  const log = deps.log.child({ component: 'nodes' });
  const sessions = new Map<string, Session>();
  /** By node. */
  const starts = new Map<string, TokenBucket>();
  const tunnels = new Tunnels({ clock, random });
  const usage = new NodeUsage(clock);
  const exists = (node: string): boolean => informers.of('Node').get(node) !== undefined;

  informers.onChange((changes) => {
    for (const session of sessions.values()) session.note(changes);
    for (const { kind, key, before, after } of changes) {
      if (kind !== 'Node' || after) continue;
      usage.forget(key);
      starts.delete(key);
      nodeDeleted(key, before?.metadata.uid).catch((error) =>
        log.warn({ key, err: messageOf(error) }, 'node not freed'),
      );
      releasePodCIDR(store, key).catch((error) => log.warn({ key, err: messageOf(error) }, 'pod range not released'));
    }
  });

  /** The machine is there, so it registers again: its session ends, and it opens another. */
  async function nodeDeleted(name: string, uid: string | undefined): Promise<void> {
    const session = sessions.get(name);
    if (!session) return;
    try {
      if (uid) await unbindEnrollment({ client: deps.enrollments }, name, uid);
    } finally {
      session.end(`the Node ${name} was deleted`);
    }
  }

  /** Registering and the whole state cost more than a connection does. */
  function requireRest(name: string): void {
    let bucket = starts.get(name);
    if (!bucket) {
      bucket = new TokenBucket(clock, startRate);
      starts.set(name, bucket);
    }
    if (!bucket.tryTake()) throw new ApiError('TooManyRequests', `node ${name} opens too many sessions`);
  }

  async function serve(connection: Connection<FromNode, ToNode>, caller: SessionCaller): Promise<void> {
    const incoming = connection.incoming[Symbol.asyncIterator]();
    const register = await firstMessage(incoming, connection);
    const name = register.nodeName;
    requireNode(caller, name);
    requireRest(name);

    const sessionId = uuid(random);
    const { liveness, heartbeatMs, leaseMs } = deps;
    const client = deps.clientOf(caller);
    const lease = { deleted: () => liveness.leaseDeleted(sessionId), close: () => liveness.close(sessionId) };
    const session = new Session({ client, informers, clock, log, usage }, name, connection, lease);
    sessions.get(name)?.end(`node ${name} has opened another session`);
    sessions.set(name, session);
    log.info({ key: name, session: sessionId, instance: register.instance }, 'session opened');
    try {
      // The lease first: whoever sees a node say that it is ready must see its lease as well, or takes it for lost.
      const revision = await liveness.open({ id: sessionId, node: name, leaseMs }, (reason) => session.end(reason));
      const { podCIDR, uid } = await registerNode({ ...deps, node: client, exists }, name, register.node);
      await bindEnrollment({ client: deps.enrollments }, name, caller.uid, uid);
      session.registered(register.node.status);
      await caughtUp(revision);
      const kubernetes = apiService(informers.of('Service').get('default/kubernetes'));
      const heartbeats = deps.heartbeats();
      const ranges = { podCIDR, clusterCIDR: deps.clusterCIDR, servers: serverAddresses() };
      const registered = { type: 'registered', sessionId, heartbeatMs, leaseMs, ...ranges, heartbeats } as const;
      await session.send({ ...registered, ...(kubernetes ? { kubernetes } : {}) });
      await session.serve(incoming);
    } catch (error) {
      log.info({ key: name, session: sessionId, err: messageOf(error) }, 'session failed');
      throw error;
    } finally {
      connection.close();
      lease.close();
      if (sessions.get(name) === session) sessions.delete(name);
      log.info({ key: name, session: sessionId }, 'session closed');
    }
  }

  /** Of all servers that there are now. */
  function serverAddresses(): Ipv4[] {
    const leases = [...informers.of('Lease').by('namespace', serverLeaseNamespace)];
    const addresses = leases.flatMap((lease) => {
      const { rest, grpc } = serverOf(lease) ?? {};
      return [rest, grpc].flatMap((at) => parseIpv4(at?.replace(/:\d+$/, '')) ?? []);
    });
    return [...new Set(addresses)];
  }

  async function firstMessage(incoming: AsyncIterator<FromNode>, connection: Connection<FromNode, ToNode>) {
    const timer = clock.timer(registerMs, () => connection.close());
    try {
      const { value, done } = await incoming.next();
      if (done || value.type !== 'register') throw new ApiError('BadRequest', 'a session starts with register');
      return value;
    } finally {
      timer.cancel();
    }
  }

  /**
   * Waits until the informers show everything up to the session's own lease: an agent removes what the first
   * assignments leave out, so they must not be made from an older state.
   */
  async function caughtUp(revision: number): Promise<void> {
    const deadline = clock.monotonic() + catchUpMs;
    while (informers.revision < revision) {
      if (clock.monotonic() > deadline) throw new ApiError('Timeout', 'the state of the cluster is not at hand yet');
      await clock.sleep(5);
    }
  }

  function open(node: string, request: StreamRequest, signal: AbortSignal): Promise<Tunnel> | undefined {
    const session = sessions.get(node);
    if (!session?.serving) return undefined;
    return tunnels.open(node, request, session, signal);
  }

  return {
    serve,
    open,
    serves: (node) => sessions.get(node)?.serving === true,
    async tunnel(id, connection, caller) {
      await tunnels.accept(id, nodeOf(caller), connection);
    },
    usage: (nodes) => usage.of(nodes),
    nodes: () => [...sessions.keys()],
    close() {
      for (const session of sessions.values()) session.end('the server is stopping');
    },
  };
}

function nodeOf(caller: SessionCaller): string {
  if (caller.user.startsWith(nodeUserPrefix) && caller.groups.includes(nodesGroup)) {
    return caller.user.slice(nodeUserPrefix.length);
  }
  throw new ApiError('Forbidden', `user "${caller.user}" is not a node`);
}

function requireNode(caller: SessionCaller, name: string): void {
  if (nodeOf(caller) !== name) throw new ApiError('Forbidden', `user "${caller.user}" is not node "${name}"`);
}

/** Where pods reach the API server. */
function apiService(service: Service | undefined): { host: string; port: number } | undefined {
  const { clusterIP: host, ports = [] } = service?.spec ?? {};
  const port = (ports.find(({ name }) => name === 'https') ?? ports[0])?.port;
  return host && port !== undefined ? { host, port } : undefined;
}
