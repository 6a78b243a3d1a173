import { parseIpv4 } from '../../shared/net/ipv4.ts';
import { forbiddenNodeLabels } from '../../shared/node-labels.ts';
import { version } from '../../shared/version.ts';
import type { AgentOptions } from '../options.ts';
import { machineIds, outwardAddress } from './machine.ts';
import type { NodeIdentity } from './node-status.ts';

const defaultMaxPods = 110;

/** The node that this machine is. Throws for labels that a node may not give itself, and without a usable address. */
export async function nodeIdentity(options: AgentOptions): Promise<NodeIdentity> {
  const forbidden = forbiddenNodeLabels(options.labels);
  if (forbidden) {
    throw new Error(
      `unknown 'kubernetes.io' or 'k8s.io' labels specified with --labels: ${forbidden}; see docs/security.md`,
    );
  }
  const address = options.nodeAddress ?? outwardAddress();
  if (!address) throw new Error('this machine has no IPv4 address but its loopback: say --node-address');
  if (!parseIpv4(address)) throw new Error(`--node-address ${JSON.stringify(address)} is not an IPv4 address`);
  return {
    name: options.nodeName,
    address,
    labels: options.labels,
    taints: options.taints ?? [],
    version: `v1.32.0-coracle.${version}`,
    ...(await machineIds()),
    maxPods: options.maxPods ?? defaultMaxPods,
    reserved: options.reserved ?? { cpuMillis: 0, memoryBytes: 0 },
  };
}
