import { createHash } from 'node:crypto';
import { type Cidr, type Ipv4, parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type IfName, parseIfName } from '../../shared/net/names.ts';
import type { Attachment, Peer } from './network.ts';
import { type Line, line, type Mac, type NetnsPath, podMac } from './script.ts';

// The commands for `ip -batch -`, as pure functions.

/** The gateway of every pod, the same on every node: a link-local address with a permanent neighbour entry. */
export const gateway = '169.254.1.1' as Ipv4;
/** The hardware address of every node's end of a pair: each pair has only two ends, so it need not be unique. */
const gatewayMac = 'ee:ee:ee:ee:ee:ee' as Mac;
/** Marks the agent's routes in the kernel (rtnetlink's `protocol`; the number is not registered). */
export const routeProtocol = 99;
/** The pod's end. */
export const podInterface = 'eth0' as IfName;

/** Prefix of the names of the veth ends on the node. */
export const interfacePrefix = 'cor';
/** Interface names have at most 15 characters. */
const hashLength = 15 - interfacePrefix.length;

/** The name of the node's end of a pod's veth pair. */
export function interfaceName(podUid: string): IfName {
  return (interfacePrefix + createHash('sha256').update(podUid).digest('hex').slice(0, hashLength)) as IfName;
}

export function isPodInterface(name: string): boolean {
  return name.startsWith(interfacePrefix) && /^[0-9a-f]{12}$/.test(name.slice(interfacePrefix.length));
}

/** In the pod's namespace: the veth pair, whose other end goes to the node, the address and the default route. */
export function podLines(attachment: Attachment, name: IfName, mtu: number, nodeNetns: NetnsPath): Line[] {
  const { podUid, address } = attachment;
  const pair = line`link add ${podInterface} mtu ${mtu} address ${podMac(podUid)} type veth peer name ${name} mtu ${mtu} address ${gatewayMac} netns ${nodeNetns}`;
  return [
    line`link set lo up`,
    pair,
    line`link set ${podInterface} addrgenmode none`,
    line`address add ${address}/32 dev ${podInterface}`,
    line`link set ${podInterface} up`,
    line`neigh replace ${gateway} lladdr ${gatewayMac} dev ${podInterface} nud permanent`,
    line`route add ${gateway} dev ${podInterface} scope link src ${address}`,
    line`route add default via ${gateway} dev ${podInterface} src ${address}`,
  ];
}

/** On the node. The route comes last: once it exists, the attachment is complete. */
export function nodeLines({ podUid, address }: Attachment, name: IfName): Line[] {
  return [
    line`link set ${name} addrgenmode none alias coracle:${podUid} up`,
    line`neigh replace ${address} lladdr ${podMac(podUid)} dev ${name} nud permanent`,
    line`route replace ${address}/32 dev ${name} scope link proto ${routeProtocol}`,
  ];
}

/** A route of the agent in the kernel: to a pod's address, or to a range. */
export interface Route {
  readonly unreachable: boolean;
  readonly dst: Ipv4 | Cidr;
  readonly gateway?: Ipv4;
  readonly dev?: IfName;
}

/** A route from the output of `ip -json route`; empty for what is not a route to an address or range. */
export function parseRoute(listed: unknown): Route[] {
  const { type, dst, gateway: via, dev } = (listed ?? {}) as Record<string, unknown>;
  const to = parseIpv4(dst) ?? parseCidr(dst);
  if (to === undefined) return [];
  const [next, name] = [parseIpv4(via), parseIfName(dev)];
  return [
    {
      unreachable: type === 'unreachable',
      dst: to,
      ...(next ? { gateway: next } : {}),
      ...(name ? { dev: name } : {}),
    },
  ];
}

/**
 * Makes the addresses of the node's range that are not a pod's unreachable, so that they do not leave by the default route; removes the
 * routes of earlier ranges.
 */
export function rangeLines(podCIDR: Cidr, routes: readonly Route[]): Line[] {
  const stale = routes.filter((route) => route.unreachable && route.dst !== podCIDR);
  return [
    line`route replace unreachable ${podCIDR} proto ${routeProtocol} metric 4096`,
    ...stale.map(({ dst }) => line`route del unreachable ${dst} proto ${routeProtocol} metric 4096`),
  ];
}

/**
 * Changes `routes` to those that lead to the peers' ranges: new ones replace their predecessors, and the ones of former peers go last.
 * `reached`: the interface through which each peer is a direct neighbour.
 */
export function peerLines(
  peers: readonly Peer[],
  routes: readonly Route[],
  reached: ReadonlyMap<string, IfName>,
): Line[] {
  const wanted = peers.flatMap((peer) => {
    const dev = reached.get(peer.address);
    return dev === undefined ? [] : [{ ...peer, dev }];
  });
  const ranges = new Set<string>(wanted.map((peer) => peer.podCIDR));
  const exists = ({ podCIDR, address, dev }: (typeof wanted)[number]) =>
    routes.some((route) => route.dst === podCIDR && route.gateway === address && route.dev === dev);
  return [
    ...wanted
      .filter((peer) => !exists(peer))
      .map(
        ({ podCIDR, address, dev }) =>
          line`route replace ${podCIDR} via ${address} dev ${dev} onlink proto ${routeProtocol}`,
      ),
    ...routes.flatMap(({ dst, gateway: via }) =>
      via === undefined || ranges.has(dst) ? [] : [line`route del ${dst} via ${via} proto ${routeProtocol}`],
    ),
  ];
}

/** Looks up the route to each peer. */
export function reachLines(peers: readonly Peer[]): Line[] {
  return peers.map(({ address }) => line`route get ${address}`);
}

export function deleteLines(name: IfName): Line[] {
  return [line`link del ${name}`];
}
