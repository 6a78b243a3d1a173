/**
 * The node session's messages in TypeScript: `proto/coracle/session.proto` with JSON already parsed. The
 * gRPC edge (`shared/rpc/session.ts`) converts; simulations pass these objects as they are.
 */
import type { Event, Node, NodeStatus, PodStatus, Taint } from './generated/types.ts';

export type FromNode =
  | { type: 'hello'; nodeName: string; node: Node; instance: string }
  | { type: 'podStatus'; sequence: number; updates: PodStatusUpdate[] }
  | { type: 'nodeStatus'; status: NodeStatus }
  | { type: 'event'; event: Event }
  | { type: 'metrics'; report: UsageReport };

/** What a node and its pods use. `cpuNanoCores`: billionths of a core, over the window that ended with the report. */
export interface UsageReport {
  /** Milliseconds since the epoch, by the node's clock. */
  readonly at: number;
  readonly node: Usage & { readonly windowMs: number };
  readonly pods: readonly PodUsage[];
}

/** The newest report of a node as the control plane keeps it. */
export interface KnownUsage extends Pick<UsageReport, 'at' | 'node'> {
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodUsage>;
}

export interface PodUsage {
  readonly uid: string;
  /** Less than the node's for a pod that has begun since. */
  readonly windowMs: number;
  readonly containers: ReadonlyArray<Usage & { readonly name: string }>;
}

export interface Usage {
  readonly cpuNanoCores: number;
  /** Without the pages of files that are not in use: what would be missing if there were no more. */
  readonly memoryBytes: number;
}

export interface PodStatusUpdate {
  namespace: string;
  name: string;
  uid: string;
  status?: PodStatus;
  /** Everything of the pod has been stopped and removed from the node: an object that is being deleted may go. */
  terminated: boolean;
}

export type ToNode =
  | {
      type: 'welcome';
      sessionId: string;
      heartbeatMs: number;
      leaseMs: number;
      podCIDR: string;
      /** The range that all nodes' ranges are taken from. */
      clusterCIDR: string;
      /** Addresses of the servers, which no node's range may cover. */
      servers: string[];
      /** The service default/kubernetes; absent while there is none. */
      kubernetes?: { host: string; port: number };
      heartbeats: HeartbeatTarget;
    }
  | {
      type: 'assignments';
      mode: 'COMPLETE' | 'INCREMENTAL';
      appliesTo: number;
      resultsIn: number;
      changes: Assignment[];
    }
  | { type: 'statusAck'; sequence: number }
  | ({ type: 'openStream'; id: string } & StreamRequest)
  /** The stream is no longer wanted, even if its tunnel is too full for its end to be seen. */
  | { type: 'closeStream'; id: string };

/** What a tunnel is asked for. */
export type StreamRequest =
  | { stream: 'logs'; parameters: LogStreamParameters }
  | { stream: 'exec'; parameters: ExecStreamParameters }
  | { stream: 'attach'; parameters: AttachStreamParameters }
  | { stream: 'portForward'; parameters: PortForwardStreamParameters }
  /** A connection to the agent's own HTTP server, the part of the kubelet's API that it has: bytes as of a port-forward. */
  | { stream: 'kubelet'; parameters: Record<string, never> };

/** An object that the control plane assigns to a node, or takes away. */
export interface Assignment {
  /** A kind of the API, or one made for nodes: OwnNode, Peer, ApiServer. An agent ignores kinds that it does not know. */
  kind: string;
  /** Empty for what has none. */
  namespace: string;
  name: string;
  removed: boolean;
  /** As JSON has it: the agent parses it by its kind (`agent/session/assigned-kinds.ts`). Absent when removed. */
  object?: object;
}

/** A server of the API, to which the service default/kubernetes leads. */
export interface ApiServer {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** The part of a node's own Node object that decides which pods the node admits. */
export interface OwnNode {
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Quantities. */
  readonly allocatable: Readonly<Record<string, string>>;
}

/** Another node: where its pods' addresses are to be routed. */
export interface Peer {
  readonly name: string;
  readonly address: string;
  readonly podCIDR: string;
}

export interface LogStreamParameters {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  /** Milliseconds since the epoch. */
  since?: number;
  tail?: number;
  limitBytes?: number;
}

export interface AttachStreamParameters {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  stdin: boolean;
  stdout: boolean;
  /** Never together with `tty`: a terminal has one output. */
  stderr: boolean;
  tty: boolean;
}

export interface ExecStreamParameters extends AttachStreamParameters {
  command: string[];
}

/** One connection to one port in the pod's network namespace: its bytes travel on channels 0 (in) and 1 (out). */
export interface PortForwardStreamParameters {
  namespace: string;
  pod: string;
  uid: string;
  port: number;
  /** The pod's address, when the connection is to be made to that; absent: to the pod's loopback. */
  address?: string;
}

/** One side's end of a session or tunnel: ordered messages both ways, with an end. */
export interface Connection<In, Out> {
  /** Resolves when the message has been handed on (back-pressure); rejects when the connection is gone. */
  send(message: Out): Promise<void>;
  /** The other side's messages; ends when it closed, throws when the connection broke. */
  readonly incoming: AsyncIterable<In>;
  close(): void;
}

export interface TunnelFrame {
  data: Uint8Array;
  /**
   * 0 stdin, 1 stdout, 2 stderr, 4 resize (JSON `{"Width":80,"Height":24}`). The last frame is on 3: a JSON Status, Success or
   * Failure; a command's exit code is a cause `ExitCode` of reason `NonZeroExitCode`, as Kubernetes' v4 protocol has it.
   */
  channel: number;
  end: boolean;
}

/**
 * Where a server takes the heartbeats of its sessions: at the address that the session was dialled at, which a balancer may lead
 * to another server, or at `host`, its own.
 */
export interface HeartbeatTarget {
  readonly host?: string;
  readonly port: number;
}

/** `sessionId`: in the first of a stream. */
export interface Heartbeat {
  readonly sequence: number;
  readonly sessionId?: string;
}

/** The node's lease has been renewed since the heartbeat of that sequence was received. */
export interface HeartbeatAck {
  readonly sequence: number;
}

/** A session's connection, and the way to the same server for its heartbeats, which wait for nothing else there. */
export interface SessionLine extends Connection<ToNode, FromNode> {
  /** A connection of its own; to be dialled after the welcome, and again when it breaks. No host: where the session is. */
  heartbeats(target: HeartbeatTarget, signal: AbortSignal): Connection<HeartbeatAck, Heartbeat>;
}

/** How an agent reaches the control plane. */
export interface SessionTransport {
  connect(signal: AbortSignal): SessionLine;
  /** Dials the tunnel that an `openStream` asked for. */
  tunnel(id: string, signal: AbortSignal): Connection<TunnelFrame, TunnelFrame>;
}

/** Who a connection has proved to be by its certificate (`system:node:NAME`), taken once, when it was verified. */
export interface SessionCaller {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** Where the connection comes from, for the audit log: `1.2.3.4:5`. */
  readonly peer?: string;
}

/** What the control plane does with an agent's connections; the gRPC server and the simulation call it. */
export interface SessionServer {
  /** Serves one session until it ends. */
  serve(connection: Connection<FromNode, ToNode>, caller: SessionCaller): Promise<void>;
  /** Pairs an agent's tunnel with the request that waits for it; serves until it ends. */
  tunnel(id: string, connection: Connection<TunnelFrame, TunnelFrame>, caller: SessionCaller): Promise<void>;
}

/** A node on a connection, as its certificate says. */
export interface CertifiedNode {
  readonly node: string;
  /** When the certificate ends, milliseconds since the epoch. */
  readonly until: number;
}

/** What a server does with the heartbeats of its sessions. */
export interface HeartbeatServer {
  /**
   * Serves one stream of heartbeats until it ends. Throws NotFound when the node has no such session here, Unauthorized when
   * the certificate has ended: the session is over. Others are of the moment: the agent may dial again.
   */
  beats(connection: Connection<Heartbeat, HeartbeatAck>, caller: CertifiedNode): Promise<void>;
}
