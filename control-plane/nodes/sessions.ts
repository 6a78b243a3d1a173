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
import { NodeUsage } from './reports/node-usage.ts';
import { Session } from './session.ts';
import { type Tunnel, Tunnels } from './streams/tunnels.ts';

/** How long a connection may take to register its node, in milliseconds. */
const registerMs = 10_000;
/** How often one node may open a session: an agent's retries slow down to one in two seconds. */
const sessionRate = { burst: 20, perSecond: 2 };
/** How long the informers may take to catch up with the store before a session is refused, in milliseconds. */
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
  /** The API under the caller's identity, with the caller's rights over REST, audited as the caller. */
  readonly clientOf: (caller: SessionCaller) => Client;
  /** The API under the identity that sets nodes' pod ranges. */
  readonly ranges: Pick<Client, 'patch'>;
  /** Over at least `sessionKinds`. */
  readonly informers: Informers;
  /** Where the Node of each certificate is recorded. */
  readonly enrollments: Pick<Client, 'get' | 'create' | 'update'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly liveness: Pick<Liveness, 'open' | 'close' | 'leaseDeleted'>;
  /** Where agents send their heartbeats. */
  readonly heartbeats: () => HeartbeatTarget;
  /** The range that contains the nodes' pod ranges: `10.64.0.0/14`. */
  readonly clusterCIDR: string;
  /** How often a node sends a heartbeat, and the duration of its lease. */
  readonly heartbeatMs: number;
  readonly leaseMs: number;
}

/** The sessions of the nodes that are connected to this server. */
export interface NodeSessions extends SessionServer {
  /** Undefined if the node has no session here. Closing the stream, or aborting the signal, ends at once what it runs on the node. */
  open(node: string, request: StreamRequest, signal: AbortSignal): Promise<Tunnel> | undefined;
  /** Whether streams can be opened on the node by a session here. */
  serves(node: string): boolean;
  /** The recent usage reports of `nodes` (of all, when none are named) that this server has received. */
  usage(nodes: readonly string[]): Iterable<NodeReport>;
  /** The nodes with a session. */
  nodes(): readonly string[];
  /** Ends all sessions; the agents dial again. */
  close(): void;
}

export function createNodeSessions(deps: NodeSessionsDeps): NodeSessions {
  const { clock, random, informers, store } = deps;
  const log = deps.log.child({ component: 'nodes' });
  const sessions = new Map<string, Session>();
  /** By node. */
  const limits = new Map<string, TokenBucket>();
  const tunnels = new Tunnels({ clock, random });
  const usage = new NodeUsage(clock);
  const exists = (node: string): boolean => informers.of('Node').get(node) !== undefined;

  informers.onChange((changes) => {
    for (const session of sessions.values()) session.note(changes);
    for (const { kind, key, before, after } of changes) {
      if (kind !== 'Node' || after) continue;
      usage.delete(key);
      limits.delete(key);
      nodeDeleted(key, before?.metadata.uid).catch((error) =>
        log.warn({ key, err: messageOf(error) }, 'the enrollment of a deleted node was not updated'),
      );
      releasePodCIDR(store, key).catch((error) => log.warn({ key, err: messageOf(error) }, 'pod range not released'));
    }
  });

  /** The machine is still connected: ending its session makes it register again. */
  async function nodeDeleted(name: string, uid: string | undefined): Promise<void> {
    const session = sessions.get(name);
    if (!session) return;
    try {
      if (uid) await unbindEnrollment({ client: deps.enrollments }, name, uid);
    } finally {
      session.end(`the Node ${name} was deleted`);
    }
  }

  /** Bounds the cost of registrations and of sending the complete state. */
  function limitSessions(name: string): void {
    let bucket = limits.get(name);
    if (!bucket) {
      bucket = new TokenBucket(clock, sessionRate);
      limits.set(name, bucket);
    }
    if (!bucket.tryTake()) throw new ApiError('TooManyRequests', `node ${name} opens too many sessions`);
  }

  async function serve(connection: Connection<FromNode, ToNode>, caller: SessionCaller): Promise<void> {
    const incoming = connection.incoming[Symbol.asyncIterator]();
    const register = await firstMessage(incoming, connection);
    const name = register.nodeName;
    requireNode(caller, name);
    limitSessions(name);

    const sessionId = uuid(random);
    const { liveness, heartbeatMs, leaseMs } = deps;
    const client = deps.clientOf(caller);
    const lease = { deleted: () => liveness.leaseDeleted(sessionId), close: () => liveness.close(sessionId) };
    const session = new Session({ client, informers, clock, log, usage }, name, connection, lease);
    sessions.get(name)?.end(`node ${name} has opened another session`);
    sessions.set(name, session);
    log.info({ key: name, session: sessionId, instance: register.instance }, 'session opened');
    try {
      // The lease first: a node that is Ready without a lease counts as lost.
      const revision = await liveness.open({ id: sessionId, node: name, leaseMs }, (reason) => session.end(reason));
      const { podCIDR, uid } = await registerNode(
        { ...deps, node: client, exists, ended: session.ended },
        name,
        register.node,
      );
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

  /** The addresses of all running servers. */
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
   * Waits until the informers show the session's own lease: an agent removes what the first assignments leave out, so they must not be
   * made from an older state.
   */
  async function caughtUp(revision: number): Promise<void> {
    const deadline = clock.monotonic() + catchUpMs;
    while (informers.revision < revision) {
      if (clock.monotonic() > deadline) throw new ApiError('Timeout', 'the state of the cluster is not available yet');
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

/** The address and port of the service default/kubernetes. */
function apiService(service: Service | undefined): { host: string; port: number } | undefined {
  const { clusterIP: host, ports = [] } = service?.spec ?? {};
  const port = (ports.find(({ name }) => name === 'https') ?? ports[0])?.port;
  return host && port !== undefined ? { host, port } : undefined;
}
