import type { Cidr } from '../../shared/net/ipv4.ts';
import { AddressPool } from '../network/ipam.ts';

/** The addresses of the node's pods, by the pod's uid. They are known before the range is: from the checkpoint and the runtime. */
export class PodAddresses {
  readonly #inUse = new Map<string, string>();
  #pool: AddressPool | undefined;

  /** Allocates from this range from now on; false when it is the range that there is. */
  setRange(cidr: Cidr): boolean {
    if (this.#pool?.cidr === cidr) return false;
    this.#pool = new AddressPool(cidr);
    for (const [uid, address] of this.#inUse) this.#pool.adopt(uid, address);
    return true;
  }

  /** Records an address that a pod has already. */
  reserve(uid: string, address: string): void {
    this.#inUse.set(uid, address);
    this.#pool?.adopt(uid, address);
  }

  /** The pod's address: the one that it has, else `wanted` if that is free, else another. Throws when there is none. */
  allocate(uid: string, wanted: string | undefined): string {
    if (!this.#pool) throw new Error('the node has no range of pod addresses yet');
    if (wanted) this.#pool.adopt(uid, wanted);
    const address = this.#pool.take(uid);
    this.#inUse.set(uid, address);
    return address;
  }

  release(uid: string): void {
    this.#inUse.delete(uid);
    this.#pool?.release(uid);
  }
}
