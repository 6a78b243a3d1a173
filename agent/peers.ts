import {
  type Cidr,
  contains,
  type Ipv4,
  isHostAddress,
  isWithin,
  overlaps,
  parseCidr,
  parseIpv4,
} from '../shared/net/ipv4.ts';
import type { Peer } from '../shared/session.ts';

/** Another node whose range this one may route. */
export interface KnownPeer {
  readonly name: string;
  readonly address: Ipv4;
  readonly podCIDR: Cidr;
}

/** What this node knows of the network without asking a peer. */
export interface OwnPlace {
  readonly address: Ipv4;
  readonly podCIDR: Cidr;
  /** The range that all nodes' ranges are taken from. */
  readonly clusterCIDR: Cidr;
  /** Of the control plane's servers. */
  readonly servers: readonly Ipv4[];
}

export interface RefusedPeer {
  readonly name: string;
  readonly reason: string;
}

/**
 * Which peers are routed: a range outside the cluster's, one that takes addresses from this node, a server or another peer, and an
 * address that is no other machine's are refused. Of two peers whose ranges overlap the one that was accepted before stays (`before`).
 */
export function acceptPeers(
  told: readonly Peer[],
  own: OwnPlace,
  before: readonly KnownPeer[] = [],
): { accepted: KnownPeer[]; refused: RefusedPeer[] } {
  const accepted: KnownPeer[] = [];
  const refused: RefusedPeer[] = [];
  const known = new Set(before.map(({ name, podCIDR }) => `${name} ${podCIDR}`));
  const rank = ({ name, podCIDR }: Peer): number => (known.has(`${name} ${podCIDR}`) ? 0 : 1);
  for (const peer of [...told].sort((a, b) => rank(a) - rank(b))) {
    const found = typed(peer);
    const reason = typeof found === 'string' ? found : fault(found, own, accepted);
    if (typeof found === 'object' && reason === undefined) accepted.push(found);
    else refused.push({ name: String(peer.name).slice(0, 253), reason: reason ?? '' });
  }
  return { accepted, refused };
}

/** Why a range may not be this node's own; undefined when it may. */
export function ownRangeFault({ podCIDR, ...own }: OwnPlace): string | undefined {
  return rangeFault(podCIDR, own);
}

function typed({ name, address, podCIDR }: Peer): KnownPeer | string {
  const [at, range] = [parseIpv4(address), parseCidr(podCIDR)];
  if (at === undefined) return 'its address is not an IPv4 address';
  return range === undefined ? 'its pod range is not an IPv4 range' : { name, address: at, podCIDR: range };
}

function fault({ address, podCIDR }: KnownPeer, own: OwnPlace, accepted: readonly KnownPeer[]): string | undefined {
  if (!isHostAddress(address)) return `${address} is not the address of a machine`;
  if (address === own.address) return `${address} is the address of this node`;
  if (contains(own.clusterCIDR, address)) return `${address} is an address of pods`;
  if (overlaps(podCIDR, own.podCIDR)) return `${podCIDR} overlaps the range of this node`;
  const other = accepted.find((peer) => overlaps(peer.podCIDR, podCIDR));
  return other ? `${podCIDR} overlaps the range of node ${other.name}` : rangeFault(podCIDR, own);
}

function rangeFault(range: Cidr, own: Omit<OwnPlace, 'podCIDR'>): string | undefined {
  if (!isWithin(range, own.clusterCIDR)) return `${range} is outside the cluster's pod range ${own.clusterCIDR}`;
  const covered = [own.address, ...own.servers].find((address) => contains(range, address));
  return covered && `${range} covers ${covered === own.address ? 'this node' : 'a server'} at ${covered}`;
}
