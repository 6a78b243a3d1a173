import ipaddr from 'ipaddr.js';
import type { Brand } from './brand.ts';

/** An IPv4 address in its only spelling: four decimals without leading zeros. */
export type Ipv4 = Brand<string, 'Ipv4'>;

/** An IPv4 range in its only spelling: its first address, a slash, its prefix length, as in `10.64.0.0/14`. */
export type Cidr = Brand<string, 'Cidr'>;

/** Four decimals without leading zeros; that each is a byte, the library looks at. */
const decimals = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;

/** Undefined unless `value` is an address in its canonical spelling. */
export function parseIpv4(value: unknown): Ipv4 | undefined {
  const isOne = typeof value === 'string' && decimals.test(value) && ipaddr.IPv4.isValid(value);
  return isOne ? (value as Ipv4) : undefined;
}

/** Undefined unless `value` is a range in its canonical spelling. */
export function parseCidr(value: unknown): Cidr | undefined {
  const [, text, bits] = (typeof value === 'string' && /^([\d.]+)\/(0|[1-9]\d?)$/.exec(value)) || [];
  const address = parseIpv4(text);
  if (address === undefined || Number(bits) > 32) return undefined;
  return toNumber(address) % 2 ** (32 - Number(bits)) === 0 ? (value as Cidr) : undefined;
}

/** The addresses from `first` to `last` as numbers, both included. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
}

export function boundsOf(cidr: Cidr): Bounds {
  const [address = '', bits] = cidr.split('/');
  const first = toNumber(address as Ipv4);
  return { first, last: first + 2 ** (32 - Number(bits)) - 1 };
}

export function prefixLength(cidr: Cidr): number {
  return Number(cidr.split('/')[1]);
}

export function toNumber(address: Ipv4): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
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
