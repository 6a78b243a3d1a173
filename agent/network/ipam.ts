import {
  boundsOf,
  type Cidr,
  fromNumber,
  type Ipv4,
  parseIpv4,
  prefixLength,
  toNumber,
} from '../../shared/net/ipv4.ts';
import { NetworkError } from './error.ts';

/**
 * Addresses of one node's range, each for one owner (a pod's uid). After a restart the agent adopts those in use. An address is reused as
 * late as possible, so that clients of a former pod do not reach another one: unused addresses first, then the longest released.
 */
export class AddressPool {
  readonly cidr: Cidr;
  readonly #first: number;
  readonly #last: number;
  readonly #owners = new Map<string, number>();
  readonly #taken = new Set<number>();
  /** The lowest address that was never given out. */
  #fresh: number;
  /** Given out before; the longest released first. */
  #released: number[] = [];

  /** Throws NetworkError `Address` unless `cidr` has room for at least one pod (/30 or larger). */
  constructor(cidr: Cidr) {
    const { first, last } = boundsOf(cidr);
    if (prefixLength(cidr) > 30)
      throw new NetworkError('Address', `${cidr} has no room for pods: /30 is the smallest range`);
    this.cidr = cidr;
    // Without the network address and the broadcast address.
    this.#first = first + 1;
    this.#fresh = this.#first;
    this.#last = last - 1;
  }

  /** How many addresses are in use. */
  get used(): number {
    return this.#taken.size;
  }

  /** The owner's address, the same for as long as it is not released. Throws NetworkError `Exhausted`. */
  take(owner: string): Ipv4 {
    const current = this.#owners.get(owner);
    if (current !== undefined) return fromNumber(current);
    while (this.#fresh <= this.#last && this.#taken.has(this.#fresh)) this.#fresh++;
    const address = this.#fresh <= this.#last ? this.#fresh++ : this.#released.shift();
    if (address === undefined) throw new NetworkError('Exhausted', `no free address in ${this.cidr}`);
    this.#give(owner, address);
    return fromNumber(address);
  }

  /**
   * Records an address in use. Returns false, and records nothing, when it is another owner's, the owner has another one, or it is not of
   * this range. Lower addresses that were never taken count as released: they may have been in use.
   */
  adopt(owner: string, address: string): boolean {
    const parsed = parseIpv4(address);
    const number = parsed ? toNumber(parsed) : 0;
    const current = this.#owners.get(owner);
    if (current !== undefined) return current === number;
    if (number < this.#first || number > this.#last || this.#taken.has(number)) return false;
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
