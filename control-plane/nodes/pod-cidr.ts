import { kindNamed } from '../../shared/kinds/index.ts';
import { boundsOf, type Cidr, cidrOf, parseCidr, prefixLength } from '../../shared/net/ipv4.ts';
import { objectKey, registryPrefix } from '../store/keys.ts';
import type { Guard, Store } from '../store/store.ts';

/** Claims are below the registry's prefix, so that caches follow their revisions. */
const claimPrefix = `${registryPrefix}internal/pod-cidrs/`;
/** The prefix length of a node's range. */
const nodeBits = 24;

/**
 * Claims a range of pod addresses for a node whose object exists: the one that it has claimed before, otherwise the lowest free one. A
 * claim is a key that only one server can create. A range of a deleted node is claimed only if no other is free. `wanted`: the range in
 * the node's object, which does not change. `clusterCIDR`: IPv4, such as `10.64.0.0/14`; each node gets a /24 of it. Throws an Error if
 * no range is left, or `wanted` is another node's.
 */
export async function claimPodCIDR(
  store: Store,
  clusterCIDR: string,
  node: string,
  nodeExists: (name: string) => boolean,
  wanted?: string,
): Promise<Cidr> {
  const cluster = requireClusterCIDR(clusterCIDR);
  /** Owners that are in the store, though `nodeExists` may not show them yet. */
  const stored = new Set<string>();
  for (;;) {
    const page = await store.list(claimPrefix);
    const own = page.items.find((item) => item.value === node);
    if (own && wanted && fromClaim(own.key) !== wanted) {
      throw new Error(`the node's podCIDR is ${wanted}, its claim is to ${fromClaim(own.key)}: delete the Node`);
    }
    if (own) return fromClaim(own.key);
    const taken = new Map<string, (typeof page.items)[number]>(page.items.map((item) => [fromClaim(item.key), item]));
    const isLive = (cidr: Cidr): boolean => {
      const owner = taken.get(cidr)?.value;
      return owner !== undefined && (stored.has(owner) || nodeExists(owner));
    };
    const given = wanted && firstFree(cluster, (cidr) => cidr !== wanted || isLive(cidr));
    if (wanted && !given) throw new Error(`the node's podCIDR ${wanted} is no free range of ${clusterCIDR}`);
    const choice = given || firstFree(cluster, (cidr) => taken.has(cidr)) || firstFree(cluster, isLive);
    if (!choice) throw new Error(`no pod range is left in ${clusterCIDR}: ${taken.size} nodes have one`);
    const key = claimPrefix + choice.replace('/', '_');
    const before = taken.get(choice);
    const guards = [{ key, revision: before?.revision ?? 0 }, ...(before ? [gone(before.value)] : [])];
    const result = await store.txn({ guards, writes: [{ type: 'put', key, value: node }] });
    if (result.ok) return choice;
    if (before) stored.add(before.value);
  }
}

/** Releases a deleted node's range, unless the node has been created again. */
export async function releasePodCIDR(store: Store, node: string): Promise<void> {
  const page = await store.list(claimPrefix);
  for (const { key, value, revision } of page.items) {
    if (value !== node) continue;
    await store.txn({ guards: [{ key, revision }, gone(node)], writes: [{ type: 'delete', key }] });
  }
}

/** Throws an Error unless it is a range in canonical form with room for a node's. */
export function requireClusterCIDR(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr && prefixLength(cidr) <= nodeBits) return cidr;
  throw new Error(
    `${JSON.stringify(text)} is not a range for pods: an IPv4 range of at least a /${nodeBits}, such as 10.64.0.0/14`,
  );
}

/** There is no Node of that name. */
function gone(node: string): Guard {
  return { key: objectKey(kindNamed('Node'), undefined, node), revision: 0 };
}

function fromClaim(key: string): Cidr {
  return key.slice(claimPrefix.length).replace('_', '/') as Cidr;
}

function firstFree(cluster: Cidr, isTaken: (cidr: Cidr) => boolean): Cidr | undefined {
  const { first, last } = boundsOf(cluster);
  for (let base = first; base < last; base += 2 ** (32 - nodeBits)) {
    const cidr = cidrOf(base, nodeBits);
    if (!isTaken(cidr)) return cidr;
  }
  return undefined;
}
