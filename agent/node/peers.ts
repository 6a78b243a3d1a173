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
import { Unusable } from '../session/unusable.ts';

/** Another node: its address, and the range of its pods, which this node may route to it. */
export interface Peer {
  readonly name: string;
  readonly address: Ipv4;
  readonly podCIDR: Cidr;
}

/** This node's place in the network. */
export interface OwnPlace {
  readonly address: Ipv4;
  readonly podCIDR: Cidr;
  /** The range that all nodes' ranges are taken from. */
  readonly clusterCIDR: Cidr;
  /** Of the control plane's servers. */
  readonly servers: readonly Ipv4[];
}

/** The longest name of a node. */
const maxName = 253;

export interface RefusedPeer {
  readonly name: string;
  readonly reason: string;
}

/** A peer with its numbers, which are compared many times. */
interface Measured extends Peer, Bounds {
  readonly number: number;
}

/** This node's place with its numbers. */
interface MeasuredPlace {
  readonly address: Ipv4;
  readonly own: Bounds;
  readonly clusterCIDR: Cidr;
  readonly cluster: Bounds;
  /** Addresses that no range may cover, and what is there. */
  readonly kept: readonly { readonly number: number; readonly what: string }[];
}

/** A peer as the control plane or the checkpoint names it. Throws Unusable. */
export function parsePeer(value: unknown): Peer {
  const { name, address, podCIDR } = (value ?? {}) as Record<string, unknown>;
  const [at, range] = [parseIpv4(address), parseCidr(podCIDR)];
  if (at === undefined) throw new Unusable('its address is not an IPv4 address');
  if (range === undefined) throw new Unusable('its pod range is not an IPv4 range');
  return { name: String(name).slice(0, maxName), address: at, podCIDR: range };
}

/**
 * Which peers are routed. Refused are a range outside the cluster's, a range that takes addresses from this node, a server or
 * another peer, and an address that is not another machine's. Of two peers with overlapping ranges the one in `before` stays.
 */
export function acceptPeers(
  peers: readonly Peer[],
  own: OwnPlace,
  before: readonly Peer[] = [],
): { accepted: Peer[]; refused: RefusedPeer[] } {
  const accepted: Peer[] = [];
  const refused: RefusedPeer[] = [];
  const place = measuredPlace(own);
  const taken = new Ranges();
  const known = new Set(before.map(({ name, podCIDR }) => `${name} ${podCIDR}`));
  const [first, second]: [Peer[], Peer[]] = [[], []];
  for (const peer of peers) (known.has(`${peer.name} ${peer.podCIDR}`) ? first : second).push(peer);
  for (const peer of [...first, ...second]) {
    const measured = { ...peer, number: toNumber(peer.address), ...boundsOf(peer.podCIDR) };
    const reason = fault(measured, place) ?? taken.add(measured);
    if (reason === undefined) accepted.push(peer);
    else refused.push({ name: peer.name, reason });
  }
  return { accepted, refused };
}

/** Why a range may not be this node's own; undefined when it may. */
export function ownRangeFault(own: OwnPlace): string | undefined {
  return rangeFault({ podCIDR: own.podCIDR, ...boundsOf(own.podCIDR) }, measuredPlace(own));
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

/** Ranges that share no address, sorted: only the neighbours of a new range can overlap it. */
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
