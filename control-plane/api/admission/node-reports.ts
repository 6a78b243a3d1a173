import type { Node, Pod } from '../../../shared/generated/types.ts';
import { contains, parseCidr, parseIpv4 } from '../../../shared/net/ipv4.ts';
import type { Reader } from './plugin.ts';

// What a node may report, beyond Kubernetes: in bounded size, and of addresses only its own. Faults as the end of a sentence.

/** Characters of JSON: of a node's object, of a pod's status, and more of that for each container. */
const maxNode = 256 * 1024;
const maxStatus = 32 * 1024;
const maxContainer = 16 * 1024;
/** Lists of a node's status. The kubelet reports 50 images. */
const maxItems = {
  images: 500,
  conditions: 100,
  volumesInUse: 1_000,
  volumesAttached: 1_000,
  runtimeHandlers: 100,
} as const;

export function nodeReportFault(node: string, { status, ...rest }: Node): string | undefined {
  for (const [field, most] of Object.entries(maxItems)) {
    const count = status?.[field as keyof typeof maxItems]?.length ?? 0;
    if (count > most) return `node "${node}" is not allowed to report ${count} ${field}, at most ${most}`;
  }
  const length = JSON.stringify([status ?? {}, rest.metadata.labels ?? {}, rest.metadata.annotations ?? {}]).length;
  return length > maxNode
    ? `node "${node}" is not allowed to report ${length} characters, at most ${maxNode}`
    : undefined;
}

export function podReportFault(node: string, { spec, status }: Pod, old: Pod, reader: Reader): string | undefined {
  const containers = [spec.containers, spec.initContainers, spec.ephemeralContainers].flatMap((list) => list ?? []);
  const most = maxStatus + maxContainer * containers.length;
  const length = JSON.stringify(status ?? {}).length;
  if (length > most) return `node "${node}" is not allowed to report ${length} characters of a pod, at most ${most}`;
  const foreign = foreignAddress({ spec, status } as Pod, old, reader.get('Node', node));
  return foreign && `node "${node}" is not allowed to report the address ${foreign}, which is not of its range`;
}

/** An address that is new and neither of the node's pod range nor, for a pod on the node's network, its own. */
function foreignAddress({ spec, status }: Pod, old: Pod, node: Node | undefined): string | undefined {
  const known = new Set(old.status?.podIPs?.map(({ ip }) => ip));
  const fresh = (status?.podIPs ?? []).map(({ ip = '' }) => ip).filter((ip) => !known.has(ip));
  if (fresh.length === 0 || !node) return undefined;
  const own = new Set(node.status?.addresses?.map(({ address }) => address));
  const range = parseCidr(node.spec?.podCIDR);
  // A node that is not registered yet has neither.
  if (spec.hostNetwork) return own.size > 0 ? fresh.find((ip) => !own.has(ip)) : undefined;
  return range && fresh.find((ip) => !isIn(range, ip));
}

function isIn(range: Parameters<typeof contains>[0], ip: string): boolean {
  const address = parseIpv4(ip);
  return address !== undefined && contains(range, address);
}
