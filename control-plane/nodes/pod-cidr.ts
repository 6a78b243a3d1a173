import ipaddr from 'ipaddr.js';
import { registryPrefix } from '../store/keys.ts';
import type { Store } from '../store/store.ts';

/** Claims lie beside the objects, so that a cache that follows the registry's revisions sees them pass. */
const claimPrefix = `${registryPrefix}internal/pod-cidrs/`;

/**
 * Gives a node its range of pod addresses: the one it has a claim to, else the lowest free one. A claim is a key that only one
 * can create, so two control planes never give out a range twice. Only when no range is free, one of a node that is gone
 * is given out again: a claim stands a moment before its node's object does.
 * `wanted`: the range that the node's object has already, which nobody changes.
 * `clusterCIDR`: IPv4, such as `10.64.0.0/14`; each node gets a /24 of it. Throws an Error when none is left, or `wanted` is another's.
 */
export async function claimPodCIDR(
  store: Store,
  clusterCIDR: string,
  node: string,
  nodeExists: (name: string) => boolean,
  wanted?: string,
): Promise<string> {
  for (;;) {
    const page = await store.list(claimPrefix);
    const own = page.items.find((item) => item.value === node);
    if (own && wanted && fromClaim(own.key) !== wanted) {
      throw new Error(`the node's podCIDR is ${wanted}, its claim is to ${fromClaim(own.key)}: delete the Node`);
    }
    if (own) return fromClaim(own.key);
    const taken = new Map(page.items.map((item) => [fromClaim(item.key), item]));
    const isLive = (cidr: string): boolean => nodeExists(taken.get(cidr)?.value ?? '');
    const given = wanted && firstFree(clusterCIDR, (cidr) => cidr !== wanted || isLive(cidr));
    if (wanted && !given) throw new Error(`the node's podCIDR ${wanted} is no free range of ${clusterCIDR}`);
    const choice = given || firstFree(clusterCIDR, (cidr) => taken.has(cidr)) || firstFree(clusterCIDR, isLive);
    if (!choice) throw new Error(`no pod range is left in ${clusterCIDR}: ${taken.size} nodes have one`);
    const key = claimPrefix + choice.replace('/', '_');
    const guards = [{ key, revision: taken.get(choice)?.revision ?? 0 }];
    const result = await store.txn({ guards, writes: [{ type: 'put', key, value: node }] });
    if (result.ok) return choice;
  }
}

/** Gives a removed node's range back. */
export async function releasePodCIDR(store: Store, node: string): Promise<void> {
  const page = await store.list(claimPrefix);
  for (const { key, value, revision } of page.items) {
    if (value === node) await store.txn({ guards: [{ key, revision }], writes: [{ type: 'delete', key }] });
  }
}

function fromClaim(key: string): string {
  return key.slice(claimPrefix.length).replace('_', '/');
}

function firstFree(clusterCIDR: string, isTaken: (cidr: string) => boolean): string | undefined {
  const [network, bits] = ipaddr.IPv4.parseCIDR(clusterCIDR);
  const base = network.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0);
  const count = 2 ** Math.max(0, 24 - bits);
  for (let index = 0; index < count; index++) {
    const first = base + index * 256;
    const cidr = `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/24`;
    if (!isTaken(cidr)) return cidr;
  }
  return undefined;
}
