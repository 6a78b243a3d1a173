import type { Cidr, Ipv4 } from '../../shared/net/ipv4.ts';
import type { ObjectUid, PortNumber } from '../../shared/net/names.ts';
import type { ApiService } from './api-service.ts';
import type { NetnsPath } from './script.ts';
import type { Sysctls } from './sysctl.ts';

/**
 * The pod network of one node: every pod has an address, which the node, its pods and the pods of other nodes reach without translation.
 * All operations are idempotent.
 */
export interface PodNetwork {
  /** Prepares the node for pods of its range; runs after each start of the agent. */
  setup(range: { podCIDR: Cidr; clusterCIDR?: Cidr }, signal?: AbortSignal): Promise<void>;
  /** Gives a network namespace its address. Returns once the address is routed on the node. */
  attach(attachment: Attachment, signal?: AbortSignal): Promise<void>;
  detach(podUid: string, signal?: AbortSignal): Promise<void>;
  /** The addresses of these pods, without those whose attachment is not complete. */
  attached(podUids: readonly string[], signal?: AbortSignal): Promise<ReadonlyMap<string, Ipv4>>;
  /** Replaces the other nodes. */
  setPeers(peers: readonly Peer[], signal?: AbortSignal): Promise<void>;
  /** Leads connections of pods and of the node to the service's address to one of the servers; undefined: to none. */
  setApi(api: ApiService | undefined, signal?: AbortSignal): Promise<void>;
  /** Removes what belongs to pods that are not among `podUids`. */
  cleanup(podUids: readonly string[], signal?: AbortSignal): Promise<void>;
}

/** Values that end in commands: only `attachment.ts` makes them, of a sandbox. */
export interface Attachment {
  readonly podUid: ObjectUid;
  readonly netns: NetnsPath;
  /** Of the node's range. */
  readonly address: Ipv4;
  readonly hostPorts: readonly PortMapping[];
  /** Of the namespace. */
  readonly sysctls: Sysctls;
}

export interface PortMapping {
  /** Absent: all addresses of the node. */
  readonly hostIP?: Ipv4;
  readonly hostPort: PortNumber;
  readonly containerPort: PortNumber;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

export interface Peer {
  /** The node's address, in a network that this node is in. */
  readonly address: Ipv4;
  readonly podCIDR: Cidr;
}
