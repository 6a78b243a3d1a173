import { createHash } from 'node:crypto';
import type { Attachment, Peer } from './network.ts';

// What is asked of `ip -batch -`, as lines of text. Pure: nothing here runs anything.

/** The gateway that every pod sees: link-local, answered for by a permanent neighbour, the same on every node. */
const gateway = '169.254.1.1';
/** The hardware address of every node's end of a pair: each pair has only two ends, so it need not be unique. */
const gatewayMac = 'ee:ee:ee:ee:ee:ee';
/** How the kernel marks the routes that are ours (rtnetlink's `protocol`, a number that nobody has registered). */
export const routeProtocol = '99';
/** The pod's end. */
const podInterface = 'eth0';

/** Begins the names of the node's ends of all pods' pairs. */
export const interfacePrefix = 'cor';
/** Interface names have at most 15 characters. */
const hashLength = 15 - interfacePrefix.length;

/** The node's end of a pod's pair. */
export function interfaceName(podUid: string): string {
  return interfacePrefix + createHash('sha256').update(podUid).digest('hex').slice(0, hashLength);
}

export function isPodInterface(name: string): boolean {
  return name.startsWith(interfacePrefix) && /^[0-9a-f]{12}$/.test(name.slice(interfacePrefix.length));
}

/** A hardware address of the pod's own: locally administered, for one interface. */
export function podMac(podUid: string): string {
  const [first = 0, ...rest] = createHash('sha256').update(podUid).digest().subarray(0, 6);
  return [(first & 0xfc) | 0x02, ...rest].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Inside the pod's namespace: the pair, whose other end goes to the node, the address, and the way out. */
export function podLines(attachment: Attachment, name: string, mtu: number, nodeNetns: string): string[] {
  const { podUid, address } = attachment;
  return [
    'link set lo up',
    `link add ${podInterface} mtu ${mtu} address ${podMac(podUid)} type veth ` +
      `peer name ${name} mtu ${mtu} address ${gatewayMac} netns ${nodeNetns}`,
    `link set ${podInterface} addrgenmode none`,
    `address add ${address}/32 dev ${podInterface}`,
    `link set ${podInterface} up`,
    `neigh replace ${gateway} lladdr ${gatewayMac} dev ${podInterface} nud permanent`,
    `route add ${gateway} dev ${podInterface} scope link src ${address}`,
    `route add default via ${gateway} dev ${podInterface} src ${address}`,
  ];
}

/** On the node. The route comes last: its presence says that the attachment is complete. */
export function nodeLines({ podUid, address }: Attachment, name: string): string[] {
  return [
    `link set ${name} addrgenmode none alias coracle:${podUid} up`,
    `neigh replace ${address} lladdr ${podMac(podUid)} dev ${name} nud permanent`,
    `route replace ${address}/32 dev ${name} scope link proto ${routeProtocol}`,
  ];
}

/** A route as `ip -json route` writes it. */
export interface Route {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
}

/**
 * What is of the node's range and not a pod's is nobody's: it must not leave by the default route. Earlier ranges'
 * routes go.
 */
export function rangeLines(podCIDR: string, present: readonly Route[]): string[] {
  const own = `proto ${routeProtocol} metric 4096`;
  const stale = present.filter((route) => route.type === 'unreachable' && route.dst !== podCIDR);
  return [
    `route replace unreachable ${podCIDR} ${own}`,
    ...stale.map(({ dst }) => `route del unreachable ${dst} ${own}`),
  ];
}

/**
 * What makes the routes to the peers' ranges those that are wanted: new ones replace their predecessors at once, and
 * what is no longer wanted goes last. `reached` tells through which interface each peer is a direct neighbour.
 */
export function peerLines(
  peers: readonly Peer[],
  present: readonly Route[],
  reached: ReadonlyMap<string, string>,
): string[] {
  const wanted = peers.filter((peer) => reached.has(peer.address));
  const ranges = new Set(wanted.map((peer) => peer.podCIDR));
  const known = (peer: Peer) =>
    present.some(
      (route) =>
        route.dst === peer.podCIDR && route.gateway === peer.address && route.dev === reached.get(peer.address),
    );
  return [
    ...wanted
      .filter((peer) => !known(peer))
      .map(
        ({ podCIDR, address }) =>
          `route replace ${podCIDR} via ${address} dev ${reached.get(address)} onlink proto ${routeProtocol}`,
      ),
    ...present
      .filter((route) => route.gateway !== undefined && !ranges.has(route.dst))
      .map(({ dst, gateway: via }) => `route del ${dst} via ${via} proto ${routeProtocol}`),
  ];
}

/** The path under /proc/sys of a sysctl, in either of its two spellings: with dots, or with slashes. */
export function sysctlPath(name: string): string {
  return `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`;
}
