import type { Pod } from '../../shared/generated/types.ts';
import { fileLine } from '../host/file-line.ts';
import type { SandboxSpec } from '../runtime/runtime.ts';

export type Dns = SandboxSpec['dns'];

export const noDns: Dns = { servers: [], searches: [], options: [] };

/** A pod's resolver settings, with a warning for each limit that cut them, in the kubelet's words (`DNSConfigForming`). */
export interface PodDns extends Dns {
  readonly warnings: readonly string[];
}

/** The limits of the C library's resolver and of Kubernetes (pkg/apis/core/validation). */
const maxServers = 3;
const maxSearches = 32;
const maxSearchChars = 2_048;
/** The C library aborts on longer ones. */
const maxNameChars = 253;

/**
 * The resolver settings of a pod by its dnsPolicy and dnsConfig (Kubernetes, "Pod's DNS Policy"). `host`: the node's settings; pods with a
 * network of their own cannot reach its loopback servers. `cluster`: absent: ClusterFirst means Default.
 */
export function podDns(pod: Pod, host: Dns, cluster: { server: string; domain: string } | undefined): PodDns {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec;
  const first = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  const { namespace = 'default' } = pod.metadata;
  const reachable = hostNetwork ? host : { ...host, servers: host.servers.filter((server) => !isLoopback(server)) };
  const base: Dns =
    dnsPolicy === 'None'
      ? noDns
      : first && cluster
        ? {
            servers: [cluster.server],
            searches: [`${namespace}.svc.${cluster.domain}`, `svc.${cluster.domain}`, cluster.domain, ...host.searches],
            options: ['ndots:5'],
          }
        : reachable;
  const options = byName(base.options);
  for (const { name = '', value } of dnsConfig?.options ?? []) options.set(name, value ? `${name}:${value}` : name);
  const servers = unique([...base.servers, ...(dnsConfig?.nameservers ?? [])]);
  const searches = unique([...base.searches, ...(dnsConfig?.searches ?? [])]);
  const [applied, line] = [servers.slice(0, maxServers), fittingSearches(searches)];
  const warnings = [
    ...(line.length < searches.length
      ? [
          `Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ${line.join(' ')}`,
        ]
      : []),
    ...(applied.length < servers.length
      ? [
          `Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ${applied.join(' ')}`,
        ]
      : []),
  ];
  return { servers: applied, searches: line, options: [...options.values()], warnings };
}

function fittingSearches(searches: readonly string[]): string[] {
  const line: string[] = [];
  let chars = -1;
  for (const search of searches.slice(0, maxSearches)) {
    if (search.length > maxNameChars) continue;
    chars += 1 + search.length;
    if (chars > maxSearchChars) break;
    line.push(search);
  }
  return line;
}

/** Whether a name server has a loopback address, and so does not answer in another network namespace. */
export function isLoopback(server: string): boolean {
  return /^(127\.|0\.0\.0\.0$|::1?$|::ffff:127\.)/i.test(server);
}

/** Parses a resolv.conf. Of options with the same name, the last counts. */
export function parseResolvConf(text: string): Dns {
  const servers: string[] = [];
  let searches: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0]) servers.push(rest[0]);
    // A trailing dot has no meaning here; alone it is the root.
    if (word === 'search') searches = rest.map((search) => (search === '.' ? search : search.replace(/\.$/, '')));
    if (word === 'options') options.push(...rest);
  }
  return { servers, searches, options: [...byName(options).values()] };
}

/** Options by name: `ndots:5` under `ndots`. */
function byName(options: readonly string[]): Map<string, string> {
  return new Map(options.map((option) => [option.split(':')[0] ?? '', option]));
}

/** Throws an Error that names a setting that is not a single word. */
export function formatResolvConf({ servers, searches, options }: Dns): string {
  return [
    ...(searches.length > 0 ? [['search', ...searches]] : []),
    ...servers.map((server) => ['nameserver', server]),
    ...(options.length > 0 ? [['options', ...options]] : []),
  ]
    .map((words) => fileLine(words, ' '))
    .join('');
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
