/**
 * The pod network of one node: every pod has an address of its own, which the node, its pods and the other nodes'
 * pods reach without translation. All operations are idempotent: they bring about what they name, whatever was there.
 */
export interface PodNetwork {
  /** Prepares the node for pods out of its range; again after a restart of the agent or the machine. */
  setup(range: { podCIDR: string; clusterCIDR?: string }, signal?: AbortSignal): Promise<void>;
  /** Gives a namespace its address. Returns once the address is routed on the node. */
  attach(attachment: Attachment, signal?: AbortSignal): Promise<void>;
  detach(podUid: string, signal?: AbortSignal): Promise<void>;
  /** Of these pods, those whose attachment is complete, with their addresses. */
  attached(podUids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, string>>;
  /** The other nodes; replaces what was said before. */
  setPeers(peers: readonly Peer[], signal?: AbortSignal): Promise<void>;
  /** Removes what belongs to pods that are not among `podUids`. */
  cleanup(podUids: readonly string[], signal?: AbortSignal): Promise<void>;
}

export interface Attachment {
  readonly podUid: string;
  /** A path that names the pod's network namespace: `/proc/PID/ns/net`. */
  readonly netns: string;
  /** IPv4 address in the node's range. */
  readonly address: string;
  readonly hostPorts: readonly PortMapping[];
  /** `net.*` values for the namespace. */
  readonly sysctls: Readonly<Record<string, string>>;
}

export interface PortMapping {
  /** Empty or `0.0.0.0` for all addresses of the node. */
  readonly hostIP: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface Peer {
  /** The node's own IPv4 address, in a network that this node is in. */
  readonly address: string;
  readonly podCIDR: string;
}

/** `Command`: a system tool refused; its words are the message. `Address`: not an address or range that can be used. */
export class NetworkError extends Error {
  readonly code: 'Command' | 'Address' | 'Exhausted' | 'Refused';

  constructor(code: NetworkError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NetworkError';
    this.code = code;
  }
}
