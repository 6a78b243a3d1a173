/**
 * The messages of a node's session: `proto/coracle/session.proto` with the JSON parsed. `shared/rpc/session-messages.ts` converts
 * them from and to the wire; simulations pass these objects as they are.
 */
import type { Event, Node, NodeSelector, NodeStatus, PodStatus, Taint } from './generated/types.ts';

export type FromNode =
  | { type: 'register'; nodeName: string; node: Node; instance: string }
  | { type: 'podStatus'; sequence: number; updates: PodStatusUpdate[] }
  | { type: 'nodeStatus'; status: NodeStatus }
  | { type: 'event'; event: Event }
  | { type: 'metrics'; report: UsageReport }
  /** The data of a DeletedVolume is gone. */
  | { type: 'volumeDeleted'; name: string; uid: string };

/** What a node and its pods use. `windowMs`: the time before the report that the CPU usage is measured over. */
export interface UsageReport {
  /** Milliseconds since the epoch, by the node's clock. */
  readonly at: number;
  readonly node: Usage & { readonly windowMs: number };
  readonly pods: readonly PodUsage[];
}

/** The latest report of a node. */
export interface LatestUsage extends Pick<UsageReport, 'at' | 'node'> {
  /** By uid. */
  readonly pods: ReadonlyMap<string, PodUsage>;
}

export interface PodUsage {
  readonly uid: string;
  /** Shorter than the node's for a pod that has started since. */
  readonly windowMs: number;
  readonly containers: ReadonlyArray<Usage & { readonly name: string }>;
}

export interface Usage {
  /** Billionths of a core. */
  readonly cpuNanoCores: number;
  /** The working set: without pages of files that are not in use. */
  readonly memoryBytes: number;
}

export interface PodStatusUpdate {
  namespace: string;
  name: string;
  uid: string;
  status?: PodStatus;
  /** All of the pod has been stopped and removed from the node: an object that is being deleted may be removed. */
  terminated: boolean;
}

export type ToNode =
  | {
      type: 'registered';
      sessionId: string;
      heartbeatMs: number;
      leaseMs: number;
      podCIDR: string;
      /** The range that contains the ranges of all nodes. */
      clusterCIDR: string;
      /** Addresses of the servers. No node's range may contain one. */
      servers: string[];
      /** The address and port of the service default/kubernetes; absent while it does not exist. */
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
  /** Ends the stream at once, even if its tunnel is full. */
  | { type: 'closeStream'; id: string };

/** The stream that a tunnel carries. */
export type StreamRequest =
  | { stream: 'logs'; parameters: LogStreamParameters }
  | { stream: 'exec'; parameters: ExecStreamParameters }
  | { stream: 'attach'; parameters: AttachStreamParameters }
  | { stream: 'portForward'; parameters: PortForwardStreamParameters }
  /** A connection to the agent's HTTP server, which serves a part of the kubelet's API: bytes as in a port-forward. */
  | { stream: 'kubelet'; parameters: Record<string, never> };

/** An object that the control plane assigns to a node, or takes away. */
export interface Assignment {
  /** A kind of the API, or one made for nodes: OwnNode, Peer, ApiServer, DeletedVolume. An agent ignores kinds that it does not know. */
  kind: string;
  /** Empty for what has none. */
  namespace: string;
  name: string;
  removed: boolean;
  /** As parsed from JSON: the agent parses it further by its kind (`agent/session/assigned-kinds.ts`). Absent when removed. */
  object?: object;
}

/** A server of the API, an endpoint of the service default/kubernetes. */
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

/** A PersistentVolumeClaim as the node of its pods reads it. `ownerUid`: the pod that it was made for; empty: none. */
export interface NodeClaim {
  readonly uid: string;
  readonly phase: string;
  /** Empty while it has none. */
  readonly volumeName: string;
  readonly ownerUid: string;
}

/** A PersistentVolume as the node of its pods reads it. */
export interface NodeVolume {
  readonly uid: string;
  /** The claim that it is bound to; empty: none. */
  readonly claimUid: string;
  readonly accessModes: readonly string[];
  /** Filesystem or Block. */
  readonly volumeMode: string;
  readonly mountOptions: readonly string[];
  readonly deleting: boolean;
  /** The nodes that reach it; absent: all. */
  readonly affinity?: NodeSelector;
  readonly source: NodeVolumeSource;
}

export type NodeVolumeSource =
  | { readonly type: 'local'; readonly path: string }
  /** `check`: the type of a hostPath volume. */
  | { readonly type: 'hostPath'; readonly path: string; readonly check: string }
  | { readonly type: 'nfs'; readonly server: string; readonly path: string; readonly readOnly: boolean }
  /** `name`: the field of its spec. */
  | { readonly type: 'unsupported'; readonly name: string };

/** A local volume of the node whose data is to be deleted. */
export interface DeletedVolume {
  readonly uid: string;
  readonly path: string;
  /** The key of the claim that it was bound to; empty: none. */
  readonly claim: string;
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

/** One connection to one port in the pod's network namespace: channel 0 carries its input, channel 1 its output. */
export interface PortForwardStreamParameters {
  namespace: string;
  pod: string;
  uid: string;
  port: number;
  /** The pod's address, to connect to that; absent: the pod's loopback. */
  address?: string;
}

/** One end of a session or tunnel: ordered messages in both directions. */
export interface Connection<In, Out> {
  /** Resolves when the connection takes more (back-pressure); rejects when the connection is closed. */
  send(message: Out): Promise<void>;
  /** The peer's messages: ends when the peer has closed, throws when the connection broke. */
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
 * Where a server receives the heartbeats of its sessions: at the address at which the session was dialled, behind which a load
 * balancer may choose another server, or at `host`, the server's own.
 */
export interface HeartbeatTarget {
  readonly host?: string;
  readonly port: number;
}

/** `sessionId`: in the first message of a stream. */
export interface Heartbeat {
  readonly sequence: number;
  readonly sessionId?: string;
}

/** The node's lease has been renewed after the heartbeat with this sequence was received. */
export interface HeartbeatAck {
  readonly sequence: number;
}

/** A session's connection. Its heartbeats have a connection of their own to the same server. */
export interface SessionConnection extends Connection<ToNode, FromNode> {
  /** Dials a connection for heartbeats, after the registration and again when it breaks. Without a host: at the session's address. */
  heartbeats(target: HeartbeatTarget, signal: AbortSignal): Connection<HeartbeatAck, Heartbeat>;
}

/** How an agent reaches the control plane. */
export interface SessionTransport {
  connect(signal: AbortSignal): SessionConnection;
  /** Dials the tunnel of an `openStream`. */
  tunnel(id: string, signal: AbortSignal): Connection<TunnelFrame, TunnelFrame>;
}

/** The identity in a connection's verified certificate (`system:node:NAME`). */
export interface SessionCaller {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** The connection's remote address, for the audit log: `1.2.3.4:5`. */
  readonly peer?: string;
}

/** The control plane's handlers of agents' connections, called by the gRPC server and the simulation. */
export interface SessionServer {
  /** Serves one session until it ends. */
  serve(connection: Connection<FromNode, ToNode>, caller: SessionCaller): Promise<void>;
  /** Serves a tunnel, for the request that waits for it, until it ends. */
  tunnel(id: string, connection: Connection<TunnelFrame, TunnelFrame>, caller: SessionCaller): Promise<void>;
}

/** The node in a connection's certificate. */
export interface CertifiedNode {
  readonly node: string;
  /** When the certificate expires, milliseconds since the epoch. */
  readonly until: number;
}

/** A server's handler of heartbeats. */
export interface HeartbeatServer {
  /**
   * Serves one stream of heartbeats until it ends. Throws NotFound if the node has no such session here, Unauthorized if the
   * certificate has expired: the session ends. After any other error the agent may dial again.
   */
  serveHeartbeats(connection: Connection<Heartbeat, HeartbeatAck>, caller: CertifiedNode): Promise<void>;
}
