/** What the servers of one cluster do for each other: `proto/coracle/peers.proto` in TypeScript, as `session.ts` has the nodes' sessions. */
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

/** How a server asks others. */
export interface PeerTransport {
  /**
   * A node's stream by the server that holds the node's session. Undefined when that server cannot be reached, or does not hold
   * it (any more): nothing was begun then. Whatever else goes wrong is thrown: the node may have been asked already. Closing the
   * stream, or aborting the signal, ends at once what it runs on the node.
   */
  open(
    peer: PeerAddress,
    node: string,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<Connection<TunnelFrame, TunnelFrame> | undefined>;
  /** What that server has heard lately of `nodes`; of all, when none are named. */
  usage(peer: PeerAddress, nodes: readonly string[], signal: AbortSignal): AsyncIterable<NodeReport>;
}

/** What a server answers others, from the sessions that it has itself. */
export interface PeerServer {
  /** Undefined when this is not `server`, or the node has no session here. */
  open(
    server: string,
    node: string,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<Connection<TunnelFrame, TunnelFrame> | undefined>;
  usage(nodes: readonly string[]): Iterable<NodeReport>;
}
