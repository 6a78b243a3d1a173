import ipaddr from 'ipaddr.js';
import { NetworkError } from './network.ts';

/**
 * Addresses of one node's range, each for one owner (a pod's uid). Pure bookkeeping: what is in use is told to it again
 * after a restart. An address comes back as late as possible, so that what still speaks to a pod that is gone does not
 * reach another one: never used addresses first, then the released ones in the order of their release.
 */
export class AddressPool {
  readonly cidr: string;
  readonly #last: number;
  readonly #owners = new Map<string, number>();
  readonly #taken = new Set<number>();
  /** The lowest address that was never given out. */
  #fresh: number;
  /** Given out before; the longest released first. */
  #released: number[] = [];

  /** Throws NetworkError `Address` unless `cidr` is an IPv4 range with room for at least one pod (/30 or larger). */
  constructor(cidr: string) {
    const [network, bits] = parseRange(cidr);
    if (bits > 30) throw new NetworkError('Address', `${cidr} has no room for pods: /30 is the smallest range`);
    this.cidr = cidr;
    // Without the network's own address and the broadcast address.
    this.#fresh = network + 1;
    this.#last = network + 2 ** (32 - bits) - 2;
  }

  /** How many addresses are in use. */
  get used(): number {
    return this.#taken.size;
  }

  /** The owner's address, the same for as long as it is not released. Throws NetworkError `Exhausted`. */
  take(owner: string): string {
    const known = this.#owners.get(owner);
    if (known !== undefined) return format(known);
    while (this.#fresh <= this.#last && this.#taken.has(this.#fresh)) this.#fresh++;
    const address = this.#fresh <= this.#last ? this.#fresh++ : this.#released.shift();
    if (address === undefined) throw new NetworkError('Exhausted', `no free address in ${this.cidr}`);
    this.#give(owner, address);
    return format(address);
  }

  /**
   * Notes an address that was found in use. False when it is another owner's, the owner has another one, or it is not of
   * this range; nothing is noted then. Addresses below one that was found count as released: they may have been in use.
   */
  adopt(owner: string, address: string): boolean {
    const number = ipaddr.IPv4.isIPv4(address) ? toNumber(address) : 0;
    const known = this.#owners.get(owner);
    if (known !== undefined) return known === number;
    if (number < toNumber(this.cidr.split('/')[0] ?? '') + 1 || number > this.#last || this.#taken.has(number))
      return false;
    for (; this.#fresh <= number; this.#fresh++) if (this.#fresh !== number) this.#released.push(this.#fresh);
    this.#released = this.#released.filter((each) => each !== number);
    this.#give(owner, number);
    return true;
  }

  release(owner: string): void {
    const address = this.#owners.get(owner);
    if (address === undefined) return;
    this.#owners.delete(owner);
    this.#taken.delete(address);
    this.#released.push(address);
  }

  #give(owner: string, address: number): void {
    this.#owners.set(owner, address);
    this.#taken.add(address);
  }
}

/** The first address of an IPv4 range as a number, and its prefix length. Throws NetworkError `Address`. */
export function parseRange(cidr: string): [network: number, bits: number] {
  if (!ipaddr.IPv4.isValidCIDR(cidr)) throw new NetworkError('Address', `${JSON.stringify(cidr)} is not an IPv4 range`);
  const network = toNumber(ipaddr.IPv4.networkAddressFromCIDR(cidr).toString());
  if (toNumber(cidr.split('/')[0] ?? '') !== network) {
    throw new NetworkError('Address', `${cidr} does not begin at its network's address, ${format(network)}`);
  }
  return [network, Number(cidr.split('/')[1])];
}

function toNumber(address: string): number {
  return ipaddr.IPv4.parse(address)
    .toByteArray()
    .reduce((sum, byte) => sum * 256 + byte, 0);
}

function format(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}
