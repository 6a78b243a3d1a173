import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Event, Node, NodeStatus, PodStatus } from '../generated/types.ts';
import { boundValues } from '../schema/values.ts';
import type { Connection, FromNode, SessionTransport, StreamRequest, ToNode, TunnelFrame } from '../session.ts';
import { TokenBucket } from '../token-bucket.ts';
import type { RpcChannel } from './channel.ts';
import { connectionOver } from './connection.ts';
import { dialHeartbeats } from './heartbeats.ts';
import type { WireFromNode, WireStreamRequest, WireToNode, WireTunnelFrame } from './messages.ts';
import { incomingOf, writeMessage } from './streams.ts';
import { usageFromWire, usageToWire } from './usage.ts';

/** The agent's side: sessions and tunnels over one gRPC channel, with the node's certificate. */
export function grpcSessionTransport(channel: RpcChannel): SessionTransport {
  const { Connect, Tunnel } = channel.schema.sessions;
  return {
    connect(signal) {
      const stream = channel.duplex(Connect, signal);
      return {
        ...connectionOver(stream, fromNodeToWire, gathered(), channel.toApiError),
        heartbeats: (target, until) => dialHeartbeats(channel, stream.getPeer(), target, until),
      };
    },
    tunnel(id, signal) {
      const stream = channel.duplex(Tunnel, signal);
      let first = true;
      const encode = (frame: TunnelFrame): WireTunnelFrame => {
        const wire = first ? { id, ...frame } : frame;
        first = false;
        return wire;
      };
      // The server can pair the tunnel only once it knows the id: it is named at once, in a frame of no data.
      stream.write(encode({ data: new Uint8Array(0), channel: 0, end: false }));
      return connectionOver(stream, encode, frameFromWire, channel.toApiError);
    },
  };
}

/** What one session may send, in bytes: all that an agent knows at once, and so much a second for ever. */
const sessionRate = { burst: 16 * 2 ** 20, perSecond: 2 ** 20 };
/** What a message costs beside its bytes. */
const messageCost = 512;

/** The server's end of a session. What comes faster than an agent has to say it waits with its sender. */
export function serverSession(
  stream: ServerDuplexStream<WireFromNode, WireToNode>,
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  signal?: AbortSignal,
): Connection<FromNode, ToNode> {
  const bytes = new TokenBucket(clock, sessionRate);
  const pace = (wire: WireFromNode): Promise<void> => bytes.take(costOf(wire), signal);
  const same = (wire: WireToNode): WireToNode => wire;
  const connection = connectionOver(stream, same, fromNodeFromWire, (error) => error, signal, pace);
  return {
    ...connection,
    async send(message) {
      for (const wire of toNodeToWire(message)) await connection.send(wire);
    },
  };
}

function costOf({ hello, pod_status, node_status, event, metrics }: WireFromNode): number {
  const texts = [
    hello?.node,
    node_status?.status,
    event?.event,
    ...(pod_status?.updates ?? []).map((one) => one.status),
  ];
  const bytes = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  return messageCost + bytes + messageCost * (metrics?.pods?.length ?? 0);
}

/** Bytes of objects after which assignments go on in another message: a client takes no message of any size. */
const partBytes = 4 * 1024 * 1024;
const part = 'PART';

/** Reads messages for a node, and puts assignments that come in parts together. */
function gathered(): (wire: WireToNode) => ToNode | undefined {
  let before: WireAssignments = [];
  return (wire) => {
    const { assignments } = wire;
    if (!assignments) return toNodeFromWire(wire);
    const changes = [...before, ...(assignments.changes ?? [])];
    before = assignments.type === part ? changes : [];
    return assignments.type === part ? undefined : toNodeFromWire({ assignments: { ...assignments, changes } });
  };
}

type WireAssignments = NonNullable<NonNullable<WireToNode['assignments']>['changes']>;

/** The server's end of a tunnel, once its first frame has named it. BadRequest when it does not. */
export async function serverTunnel(
  stream: ServerDuplexStream<WireTunnelFrame, WireTunnelFrame>,
  signal?: AbortSignal,
): Promise<{ id: string; connection: Connection<TunnelFrame, TunnelFrame> }> {
  const frames = incomingOf<WireTunnelFrame>(stream, signal)[Symbol.asyncIterator]();
  const first = await frames.next();
  const id = first.done ? undefined : first.value.id;
  if (!id) throw new ApiError('BadRequest', 'the first frame of a tunnel must name its id');
  return {
    id,
    connection: {
      send: (frame) => writeMessage(stream, frame),
      incoming: framesAfter(first.value, frames),
      close: () => void stream.end(),
    },
  };
}

async function* framesAfter(first: WireTunnelFrame, rest: AsyncIterator<WireTunnelFrame>): AsyncGenerator<TunnelFrame> {
  if (first.data?.length || first.end) yield frameFromWire(first);
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield frameFromWire(next.value);
}

export function fromNodeToWire(message: FromNode): WireFromNode {
  switch (message.type) {
    case 'hello':
      return { hello: { node_name: message.nodeName, node: toJson(message.node), instance: message.instance } };
    case 'podStatus':
      return {
        pod_status: {
          sequence: message.sequence,
          updates: message.updates.map(({ status, ...rest }) => ({
            ...rest,
            ...(status ? { status: toJson(status) } : {}),
          })),
        },
      };
    case 'nodeStatus':
      return { node_status: { status: toJson(message.status) } };
    case 'event':
      return { event: { event: toJson(message.event) } };
    case 'metrics':
      return { metrics: usageToWire(message.report) };
  }
}

/** Undefined for a message that this version does not know. BadRequest when its JSON is none, RequestEntityTooLarge for too many values. */
export function fromNodeFromWire(wire: WireFromNode): FromNode | undefined {
  if (wire.hello) {
    const { node_name = '', node, instance = '' } = wire.hello;
    return { type: 'hello', nodeName: node_name, node: reported<Node>(node), instance };
  }
  if (wire.pod_status) {
    const { sequence = 0, updates = [] } = wire.pod_status;
    return {
      type: 'podStatus',
      sequence,
      updates: updates.map(({ namespace = '', name = '', uid = '', status, terminated = false }) => ({
        namespace,
        name,
        uid,
        terminated,
        ...(status?.length ? { status: reported<PodStatus>(status) } : {}),
      })),
    };
  }
  if (wire.node_status) return { type: 'nodeStatus', status: reported<NodeStatus>(wire.node_status.status) };
  if (wire.event) return { type: 'event', event: reported<Event>(wire.event.event) };
  if (wire.metrics) return { type: 'metrics', report: usageFromWire(wire.metrics) };
  return undefined;
}

/** One message, or several where assignments are large, each made when the one before has been sent. */
export function* toNodeToWire(message: ToNode): Generator<WireToNode> {
  if (message.type !== 'assignments') {
    yield plainToWire(message);
    return;
  }
  let changes: WireAssignments = [];
  let bytes = 0;
  for (const { object, ...rest } of message.changes) {
    if (bytes > partBytes) {
      yield { assignments: { type: part, changes } };
      changes = [];
      bytes = 0;
    }
    const json = object && toJson(object);
    changes.push({ ...rest, ...(json ? { object: json } : {}) });
    bytes += json?.length ?? 0;
  }
  const { mode, appliesTo, resultsIn } = message;
  yield { assignments: { type: mode, applies_to: appliesTo, results_in: resultsIn, changes } };
}

function plainToWire(message: Exclude<ToNode, { type: 'assignments' }>): WireToNode {
  switch (message.type) {
    case 'welcome': {
      const { sessionId, heartbeatMs, leaseMs, podCIDR, clusterCIDR, servers, kubernetes, heartbeats } = message;
      return {
        welcome: {
          ...{ session_id: sessionId, heartbeat_ms: heartbeatMs, lease_ms: leaseMs, pod_cidr: podCIDR },
          ...{ cluster_cidr: clusterCIDR, servers },
          ...(kubernetes ? { kubernetes_host: kubernetes.host, kubernetes_port: kubernetes.port } : {}),
          ...(heartbeats.host ? { heartbeat_host: heartbeats.host } : {}),
          heartbeat_port: heartbeats.port,
        },
      };
    }
    case 'statusAck':
      return { status_ack: { sequence: message.sequence } };
    case 'openStream':
      return { open_stream: { id: message.id, ...streamRequestToWire(message) } };
    case 'closeStream':
      return { close_stream: { id: message.id } };
  }
}

/** The reverse; the same rules as for fromNodeFromWire. */
export function toNodeFromWire(wire: WireToNode): ToNode | undefined {
  if (wire.welcome) {
    const { session_id = '', heartbeat_ms = 0, lease_ms = 0, pod_cidr = '' } = wire.welcome;
    const { kubernetes_host: host, kubernetes_port: port, heartbeat_host, heartbeat_port = 0 } = wire.welcome;
    const { cluster_cidr = '', servers = [] } = wire.welcome;
    const heartbeats = { ...(heartbeat_host ? { host: heartbeat_host } : {}), port: heartbeat_port };
    const known = {
      ...{ sessionId: session_id, heartbeatMs: heartbeat_ms, leaseMs: lease_ms, heartbeats },
      ...{ podCIDR: pod_cidr, clusterCIDR: cluster_cidr, servers },
    };
    return { type: 'welcome', ...known, ...(host && port ? { kubernetes: { host, port } } : {}) };
  }
  if (wire.assignments) {
    const { type, applies_to = 0, results_in = 0, changes = [] } = wire.assignments;
    return {
      type: 'assignments',
      mode: type === 'COMPLETE' ? 'COMPLETE' : 'INCREMENTAL',
      appliesTo: applies_to,
      resultsIn: results_in,
      changes: changes.map(({ kind = '', namespace = '', name = '', removed = false, object }) => ({
        kind,
        namespace,
        name,
        removed,
        ...(object?.length ? { object: fromJson(object) } : {}),
      })),
    };
  }
  if (wire.status_ack) return { type: 'statusAck', sequence: wire.status_ack.sequence ?? 0 };
  if (wire.open_stream) {
    const request = streamRequestFromWire(wire.open_stream);
    return request && { type: 'openStream', id: wire.open_stream.id ?? '', ...request };
  }
  if (wire.close_stream) return { type: 'closeStream', id: wire.close_stream.id ?? '' };
  return undefined;
}

const streams: readonly string[] = [
  'logs',
  'exec',
  'attach',
  'portForward',
  'kubelet',
] satisfies StreamRequest['stream'][];

export function streamRequestToWire({ stream, parameters }: StreamRequest): WireStreamRequest {
  return { type: stream, parameters: toJson(parameters) };
}

/** Undefined for a stream that this version does not know. BadRequest when its JSON is none. */
export function streamRequestFromWire({ type, parameters }: WireStreamRequest): StreamRequest | undefined {
  if (type === undefined || !streams.includes(type)) return undefined;
  return { stream: type, parameters: fromJson(parameters) } as StreamRequest;
}

export function frameFromWire({ data = new Uint8Array(0), channel = 0, end = false }: WireTunnelFrame): TunnelFrame {
  return { data, channel, end };
}

function toJson(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** What a node says: of no more values than a request's body. */
function reported<T extends object>(bytes: Uint8Array | undefined): T {
  const text = textOf(bytes);
  boundValues(text);
  return parsed<T>(text);
}

function fromJson<T extends object>(bytes: Uint8Array | undefined): T {
  return parsed<T>(textOf(bytes));
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function parsed<T extends object>(text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ApiError('BadRequest', 'a session message does not hold JSON', {}, { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T;
  throw new ApiError('BadRequest', 'a session message holds JSON that is no object');
}
