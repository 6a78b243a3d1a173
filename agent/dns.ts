import type { Pod } from '../shared/generated/types.ts';
import { fileLine } from './file-line.ts';
import type { SandboxSpec } from './runtime/runtime.ts';

export type Dns = SandboxSpec['dns'];

/** What a resolver of the C library reads of its file at most. */
const maxServers = 3;
const maxSearches = 32;

/**
 * The resolver settings of a pod by its dnsPolicy and dnsConfig (Kubernetes, "Pod's DNS Policy"). `host`: the node's
 * own; `cluster`: those of the cluster's service names, without which ClusterFirst means Default.
 */
export function podDns(pod: Pod, host: Dns, cluster: { server: string; domain: string } | undefined): Dns {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec;
  const first = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  const { namespace = 'default' } = pod.metadata;
  const base: Dns =
    dnsPolicy === 'None'
      ? { servers: [], searches: [], options: [] }
      : first && cluster
        ? {
            servers: [cluster.server],
            searches: [`${namespace}.svc.${cluster.domain}`, `svc.${cluster.domain}`, cluster.domain, ...host.searches],
            options: ['ndots:5'],
          }
        : host;
  const options = new Map(base.options.map((option) => [option.split(':')[0] ?? '', option]));
  for (const { name = '', value } of dnsConfig?.options ?? []) options.set(name, value ? `${name}:${value}` : name);
  return {
    servers: unique([...base.servers, ...(dnsConfig?.nameservers ?? [])]).slice(0, maxServers),
    searches: unique([...base.searches, ...(dnsConfig?.searches ?? [])]).slice(0, maxSearches),
    options: [...options.values()],
  };
}

/** The settings that a resolv.conf holds. */
export function parseResolvConf(text: string): Dns {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'nameserver' && rest[0]) servers.push(rest[0]);
    if (word === 'search') searches = rest;
    if (word === 'options') options = [...options, ...rest];
  }
  return { servers, searches, options };
}

/** Throws an Error that names a setting that is no word. */
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
