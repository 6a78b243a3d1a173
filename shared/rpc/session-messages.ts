import { ApiError } from '../errors.ts';
import type { Event, Node, NodeStatus, PodStatus } from '../generated/types.ts';
import { isRecord } from '../records.ts';
import { boundValues } from '../schema/values.ts';
import type { FromNode, StreamRequest, ToNode, TunnelFrame } from '../session.ts';
import type { WireFromNode, WireStreamRequest, WireToNode, WireTunnelFrame } from './messages.ts';
import { usageFromWire, usageToWire } from './usage.ts';

/** The messages of `shared/session.ts` on the wire, and back. */

export function fromNodeToWire(message: FromNode): WireFromNode {
  switch (message.type) {
    case 'register':
      return { register: { node_name: message.nodeName, node: toJson(message.node), instance: message.instance } };
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
    case 'volumeDeleted':
      return { volume_deleted: { name: message.name, uid: message.uid } };
  }
}

/** Undefined for a message of an unknown type. Throws BadRequest for bad JSON, RequestEntityTooLarge for too many values. */
export function fromNodeFromWire(wire: WireFromNode): FromNode | undefined {
  if (wire.register) {
    const { node_name = '', node, instance = '' } = wire.register;
    return { type: 'register', nodeName: node_name, node: reported<Node>(node), instance };
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
  if (wire.volume_deleted) {
    const { name = '', uid = '' } = wire.volume_deleted;
    return { type: 'volumeDeleted', name, uid };
  }
  return undefined;
}

/** Bytes of objects after which assignments go on in another message: a client takes messages of a limited size. */
const partBytes = 4 * 1024 * 1024;
const part = 'PART';

type WireAssignments = NonNullable<NonNullable<WireToNode['assignments']>['changes']>;

/** Reads messages for a node, and joins the PARTs of assignments. Undefined for a PART and for a message of an unknown type. */
export function toNodeReader(): (wire: WireToNode) => ToNode | undefined {
  let before: WireAssignments = [];
  return (wire) => {
    const { assignments } = wire;
    if (!assignments) return toNodeFromWire(wire);
    const changes = [...before, ...(assignments.changes ?? [])];
    before = assignments.type === part ? changes : [];
    return assignments.type === part ? undefined : toNodeFromWire({ assignments: { ...assignments, changes } });
  };
}

/** One message, or several for large assignments: each is encoded when the one before has been sent. */
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
    case 'registered': {
      const { sessionId, heartbeatMs, leaseMs, podCIDR, clusterCIDR, servers, kubernetes, heartbeats } = message;
      return {
        registered: {
          session_id: sessionId,
          heartbeat_ms: heartbeatMs,
          lease_ms: leaseMs,
          pod_cidr: podCIDR,
          cluster_cidr: clusterCIDR,
          servers,
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

/** The reverse of toNodeToWire, by the rules of fromNodeFromWire. */
function toNodeFromWire(wire: WireToNode): ToNode | undefined {
  if (wire.registered) {
    const { session_id = '', heartbeat_ms = 0, lease_ms = 0, pod_cidr = '' } = wire.registered;
    const { kubernetes_host: host, kubernetes_port: port, heartbeat_host, heartbeat_port = 0 } = wire.registered;
    const { cluster_cidr = '', servers = [] } = wire.registered;
    return {
      type: 'registered',
      sessionId: session_id,
      heartbeatMs: heartbeat_ms,
      leaseMs: lease_ms,
      heartbeats: { ...(heartbeat_host ? { host: heartbeat_host } : {}), port: heartbeat_port },
      podCIDR: pod_cidr,
      clusterCIDR: cluster_cidr,
      servers,
      ...(host && port ? { kubernetes: { host, port } } : {}),
    };
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

/** Undefined for a stream of an unknown type. Throws BadRequest for bad JSON. */
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

/** JSON from a node, with no more values than the body of a request may have. */
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
  if (isRecord(value)) return value as T;
  throw new ApiError('BadRequest', 'a session message holds JSON that is not an object');
}
