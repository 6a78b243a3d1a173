import type { Node, Pod } from '../../../../../shared/generated/types.ts';
import { contains, parseCidr, parseIpv4 } from '../../../../../shared/net/ipv4.ts';
import type { Reader } from '../../plugin.ts';

// Limits of what a node reports, beyond Kubernetes: bounded sizes, and no addresses of others. Faults are the end of a sentence.

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
  return foreign && `node "${node}" is not allowed to report the address ${foreign}, which is not its own`;
}

/**
 * A new address that the node may not report. A pod's must be in the node's range or, on the host network, be the node's; a host address
 * must be one of the Node's. Without a Node, or without ranges and addresses in it, every address is accepted.
 */
function foreignAddress({ spec, status }: Pod, old: Pod, node: Node | undefined): string | undefined {
  if (!node) return undefined;
  const own = new Set(node.status?.addresses?.map(({ address }) => address));
  const range = parseCidr(node.spec?.podCIDR);
  const isOwn = (ip: string): boolean => own.size === 0 || own.has(ip);
  const isPods = spec.hostNetwork ? isOwn : (ip: string): boolean => !range || isIn(range, ip);
  return (
    fresh(status?.podIPs, old.status?.podIPs).find((ip) => !isPods(ip)) ??
    fresh(hostIPs(status), hostIPs(old.status)).find((ip) => !isOwn(ip))
  );
}

type Ips = readonly { readonly ip?: string }[];

function hostIPs({ hostIP, hostIPs: all = [] }: NonNullable<Pod['status']> = {}): Ips {
  return [...(hostIP ? [{ ip: hostIP }] : []), ...all];
}

function fresh(now: Ips = [], before: Ips = []): string[] {
  const known = new Set(before.map(({ ip }) => ip));
  return now.flatMap(({ ip }) => (ip && !known.has(ip) ? [ip] : []));
}

function isIn(range: Parameters<typeof contains>[0], ip: string): boolean {
  const address = parseIpv4(ip);
  return address !== undefined && contains(range, address);
}
