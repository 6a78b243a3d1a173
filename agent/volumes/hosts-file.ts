import type { Pod } from '../../shared/generated/types.ts';
import { fileLine } from '../host/file-line.ts';
import { readBounded } from '../host/read-bounded.ts';
import { fullNameOf, hostnameOf } from '../pod/spec/hostname.ts';

const maxHostsBytes = 2 ** 20;

/** The text of a pod's `/etc/hosts`, line for line as the kubelet writes it. `podIP`: empty while the pod has no address. */
export async function hostsFile(pod: Pod, podIP: string): Promise<string> {
  const base = pod.spec.hostNetwork
    ? `# Kubernetes-managed hosts file (host network).\n${await nodeHosts()}`
    : podHosts(pod, podIP);
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) =>
    hostnames.length > 0 ? fileLine([ip, ...hostnames], '\t') : fileLine([ip], '\t').replace('\n', '\t\n'),
  );
  return aliases.length > 0 ? `${base}\n# Entries added by HostAliases.\n${aliases.join('')}` : base;
}

/** The node's file, for pods on the node's network. */
async function nodeHosts(): Promise<string> {
  return (await readBounded('/etc/hosts', maxHostsBytes)) ?? '127.0.0.1\tlocalhost\n';
}

function podHosts(pod: Pod, podIP: string): string {
  return [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    podIP ? fileLine([podIP, ...namesOf(pod)], '\t') : '',
  ].join('\n');
}

/** The host name, after the fully qualified one where the pod has a subdomain. */
function namesOf(pod: Pod): string[] {
  const full = fullNameOf(pod);
  return [...(full === undefined ? [] : [full]), hostnameOf(pod)];
}
