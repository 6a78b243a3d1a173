import {
  type Bounds,
  boundsOf,
  type Cidr,
  type Ipv4,
  isHostAddress,
  parseCidr,
  parseIpv4,
  toNumber,
} from '../../shared/net/ipv4.ts';
import type { Peer } from '../../shared/session.ts';

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

/** A peer with its numbers, which are looked at many times. */
interface Measured extends KnownPeer, Bounds {
  readonly number: number;
}

/** The same of this node's place. */
interface MeasuredPlace {
  readonly address: Ipv4;
  readonly own: Bounds;
  readonly clusterCIDR: Cidr;
  readonly cluster: Bounds;
  /** Addresses that no range may cover, and what is there. */
  readonly kept: readonly { readonly number: number; readonly what: string }[];
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
  const place = measuredPlace(own);
  const taken = new Ranges();
  const known = new Set(before.map(({ name, podCIDR }) => `${name} ${podCIDR}`));
  const [first, second]: [Peer[], Peer[]] = [[], []];
  for (const peer of told) (known.has(`${peer.name} ${peer.podCIDR}`) ? first : second).push(peer);
  for (const peer of [...first, ...second]) {
    const found = measured(peer);
    const reason = typeof found === 'string' ? found : (fault(found, place) ?? taken.add(found));
    if (typeof found === 'string' || reason !== undefined) {
      refused.push({ name: String(peer.name).slice(0, 253), reason: reason ?? '' });
    } else {
      const { name, address, podCIDR } = found;
      accepted.push({ name, address, podCIDR });
    }
  }
  return { accepted, refused };
}

/** Why a range may not be this node's own; undefined when it may. */
export function ownRangeFault(own: OwnPlace): string | undefined {
  return rangeFault({ podCIDR: own.podCIDR, ...boundsOf(own.podCIDR) }, measuredPlace(own));
}

function measured({ name, address, podCIDR }: Peer): Measured | string {
  const [at, range] = [parseIpv4(address), parseCidr(podCIDR)];
  if (at === undefined) return 'its address is not an IPv4 address';
  if (range === undefined) return 'its pod range is not an IPv4 range';
  return { name, address: at, podCIDR: range, number: toNumber(at), ...boundsOf(range) };
}

function measuredPlace({ address, podCIDR, clusterCIDR, servers }: OwnPlace): MeasuredPlace {
  const kept = [
    { number: toNumber(address), what: `this node at ${address}` },
    ...servers.map((server) => ({ number: toNumber(server), what: `a server at ${server}` })),
  ];
  return { address, own: boundsOf(podCIDR), clusterCIDR, cluster: boundsOf(clusterCIDR), kept };
}

function fault(peer: Measured, { address, own, clusterCIDR, cluster, kept }: MeasuredPlace): string | undefined {
  if (!isHostAddress(peer.address)) return `${peer.address} is not the address of a machine`;
  if (peer.address === address) return `${address} is the address of this node`;
  if (isIn(peer.number, cluster)) return `${peer.address} is an address of pods`;
  if (peer.first <= own.last && own.first <= peer.last) return `${peer.podCIDR} overlaps the range of this node`;
  return rangeFault(peer, { clusterCIDR, cluster, kept });
}

function rangeFault(
  { podCIDR, first, last }: Bounds & { readonly podCIDR: Cidr },
  { clusterCIDR, cluster, kept }: Pick<MeasuredPlace, 'clusterCIDR' | 'cluster' | 'kept'>,
): string | undefined {
  if (first < cluster.first || last > cluster.last) {
    return `${podCIDR} is outside the cluster's pod range ${clusterCIDR}`;
  }
  const covered = kept.find(({ number }) => isIn(number, { first, last }));
  return covered && `${podCIDR} covers ${covered.what}`;
}

function isIn(number: number, { first, last }: Bounds): boolean {
  return number >= first && number <= last;
}

/** Ranges that share no address, in their order: what overlaps a new one is beside it. */
class Ranges {
  readonly #sorted: Measured[] = [];

  /** Why it cannot be added; undefined when it was. */
  add(range: Measured): string | undefined {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle]?.first ?? 0) < range.first) low = middle + 1;
      else high = middle;
    }
    const [before, after] = [this.#sorted[low - 1], this.#sorted[low]];
    const other =
      before && before.last >= range.first ? before : after && after.first <= range.last ? after : undefined;
    if (other) return `${range.podCIDR} overlaps the range of node ${other.name}`;
    this.#sorted.splice(low, 0, range);
    return undefined;
  }
}
