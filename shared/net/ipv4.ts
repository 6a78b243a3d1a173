import ipaddr from 'ipaddr.js';
import type { Brand } from './brand.ts';

/** An IPv4 address in its only spelling: four decimals without leading zeros. */
export type Ipv4 = Brand<string, 'Ipv4'>;

/** An IPv4 range in its only spelling: its first address, a slash, its prefix length, as in `10.64.0.0/14`. */
export type Cidr = Brand<string, 'Cidr'>;

/** Undefined unless `value` is an address in its canonical spelling. */
export function parseIpv4(value: unknown): Ipv4 | undefined {
  if (typeof value !== 'string' || !ipaddr.IPv4.isValidFourPartDecimal(value)) return undefined;
  return ipaddr.IPv4.parse(value).toString() === value ? (value as Ipv4) : undefined;
}

/** Undefined unless `value` is a range in its canonical spelling. */
export function parseCidr(value: unknown): Cidr | undefined {
  if (typeof value !== 'string' || !ipaddr.IPv4.isValidCIDRFourPartDecimal(value)) return undefined;
  const [address, bits] = ipaddr.IPv4.parseCIDR(value);
  const first = ipaddr.IPv4.networkAddressFromCIDR(value).toString();
  return first === address.toString() && `${first}/${bits}` === value ? (value as Cidr) : undefined;
}

/** The addresses from `first` to `last` as numbers, both included. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

export function boundsOf(cidr: Cidr): Bounds {
  const [address, bits] = ipaddr.IPv4.parseCIDR(cidr);
  const first = numberOf(address);
  return { first, last: first + 2 ** (32 - bits) - 1 };
}

export function prefixLength(cidr: Cidr): number {
  return ipaddr.IPv4.parseCIDR(cidr)[1];
}

export function toNumber(address: Ipv4): number {
  return numberOf(ipaddr.IPv4.parse(address));
}

/** `number`: 0 to 2^32 - 1. */
export function fromNumber(number: number): Ipv4 {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.') as Ipv4;
}

/** `first`: a number that the prefix of `bits` leaves as it is. */
export function cidrOf(first: number, bits: number): Cidr {
  return `${fromNumber(first)}/${bits}` as Cidr;
}

export function contains(range: Cidr, address: Ipv4): boolean {
  const { first, last } = boundsOf(range);
  const number = toNumber(address);
  return number >= first && number <= last;
}

/** Whether all of `inner` is in `outer`. */
export function isWithin(inner: Cidr, outer: Cidr): boolean {
  const [a, b] = [boundsOf(inner), boundsOf(outer)];
  return a.first >= b.first && a.last <= b.last;
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  const [a, b] = [boundsOf(one), boundsOf(other)];
  return a.first <= b.last && b.first <= a.last;
}

/** Whether an address can be a machine's own in a network: not loopback, link-local, multicast, broadcast or unspecified. */
export function isHostAddress(address: Ipv4): boolean {
  const range = ipaddr.IPv4.parse(address).range();
  return !['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback'].includes(range);
}

function numberOf(address: ipaddr.IPv4): number {
  return address.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0);
}
