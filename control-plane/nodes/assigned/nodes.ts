import type { Node } from '../../../shared/generated/types.ts';
import { parseCidr, parseIpv4 } from '../../../shared/net/ipv4.ts';
import { ownNodeOf } from '../../../shared/own-node.ts';
import type { OwnNode, Peer } from '../../../shared/session.ts';
import type { AssignedKind } from './assigned-kind.ts';

/** The part of the node's own Node object by which the agent admits pods. */
export const ownNode: AssignedKind<'Node', OwnNode> = {
  kind: 'OwnNode',
  source: 'Node',
  *candidates(nodes, node) {
    const own = nodes.get(node);
    if (own) yield own;
  },
  wantedBy: (node, object) => (object.metadata.name === node ? ownNodeOf(object) : undefined),
};

/** The other nodes, whose pods' addresses are routed to them. */
export const peers: AssignedKind<'Node', Peer> = {
  kind: 'Peer',
  source: 'Node',
  candidates: (nodes) => nodes.values(),
  wantedBy: (node, object) => (object.metadata.name === node ? undefined : peerOf(object)),
};

/** A node as its peers need it; undefined while it has no IPv4 address or range. */
export function peerOf(node: Node): Peer | undefined {
  const address = parseIpv4(node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address);
  const podCIDR = parseCidr(node.spec.podCIDR);
  return address && podCIDR ? { name: node.metadata.name, address, podCIDR } : undefined;
}
