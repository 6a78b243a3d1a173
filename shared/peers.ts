/** Calls between the servers of one cluster: `proto/coracle/peers.proto` in TypeScript. */
import type { Connection, StreamRequest, TunnelFrame, UsageReport } from './session.ts';

/** Another server. */
export interface PeerAddress {
  /** Its own name, the same after a restart. */
  readonly id: string;
  /** `host:port` of its gRPC API. */
  readonly address: string;
}

export interface NodeReport {
  readonly node: string;
  readonly report: UsageReport;
}

/** How a server calls others. */
export interface PeerTransport {
  /**
   * Opens a stream to a node through the server that has the node's session. Undefined when that server cannot be reached or has no such
   * session: nothing was started. Other errors are thrown: the node may have been called. Closing the stream, or aborting the signal,
   * ends what it runs on the node.
   */
  open(
    peer: PeerAddress,
    node: string,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<Connection<TunnelFrame, TunnelFrame> | undefined>;
  /** The last usage reports of `nodes` that that server has; of all nodes when none are named. */
  usage(peer: PeerAddress, nodes: readonly string[], signal: AbortSignal): AsyncIterable<NodeReport>;
}

/** What a server answers other servers, from its own sessions. */
export interface PeerServer {
  /** Undefined if this is not `server`, or the node has no session here. */
  open(
    server: string,
    node: string,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<Connection<TunnelFrame, TunnelFrame> | undefined>;
  usage(nodes: readonly string[]): Iterable<NodeReport>;
}
