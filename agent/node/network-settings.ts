import { type Cidr, type Ipv4, parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type PortNumber, parsePort } from '../../shared/net/names.ts';
import type { ToNode } from '../../shared/session.ts';
import { ownRangeFault } from './peers.ts';

/** The node's place in the network, as the control plane assigns it. */
export interface NetworkSettings {
  readonly podCIDR: Cidr;
  readonly clusterCIDR: Cidr;
  readonly servers: readonly Ipv4[];
  /** Where pods reach the API. */
  readonly kubernetes?: { readonly host: Ipv4; readonly port: PortNumber };
}

type Registered = Extract<ToNode, { type: 'registered' }>;

/** `own`: this node's address. Throws an Error that names the value that cannot be used. */
export function parseNetworkSettings(
  message: Pick<Registered, 'podCIDR' | 'clusterCIDR' | 'servers' | 'kubernetes'>,
  own: Ipv4,
): NetworkSettings {
  const settings = parseCidr(message.clusterCIDR) && parseSettings(message);
  if (!settings) throw new Error(`the control plane gave no usable pod range: ${JSON.stringify(message.podCIDR)}`);
  const fault = ownRangeFault({ ...settings, address: own });
  if (fault) throw new Error(`the control plane gave a pod range that cannot be used: ${fault}`);
  return settings;
}

/** Undefined without the node's range. A checkpoint of an earlier version has no cluster's range: then that is the node's own. */
export function parseSettings(value: unknown): NetworkSettings | undefined {
  const { podCIDR, clusterCIDR, servers, kubernetes } = (value ?? {}) as Record<string, unknown>;
  const own = parseCidr(podCIDR);
  if (!own) return undefined;
  const { host, port } = (kubernetes ?? {}) as Record<string, unknown>;
  const [at, number] = [parseIpv4(host), parsePort(port)];
  return {
    podCIDR: own,
    clusterCIDR: parseCidr(clusterCIDR) ?? own,
    servers: (Array.isArray(servers) ? servers : []).flatMap((one) => parseIpv4(one) ?? []),
    ...(at && number ? { kubernetes: { host: at, port: number } } : {}),
  };
}
