import { type Cidr, type Ipv4, parseCidr, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type PortNumber, parsePort } from '../../shared/net/names.ts';
import type { ToNode } from '../../shared/session.ts';
import { ownRangeFault } from '../node/peers.ts';

/** What the control plane says of the node's place in the network. */
export interface NetworkSettings {
  readonly podCIDR: Cidr;
  readonly clusterCIDR: Cidr;
  readonly servers: readonly Ipv4[];
  /** Where pods reach the API. */
  readonly kubernetes?: { readonly host: Ipv4; readonly port: PortNumber };
}

type Welcome = Extract<ToNode, { type: 'welcome' }>;

/** `own`: this node's address. Throws an Error that names what cannot be used. */
export function parseWelcome(
  message: Pick<Welcome, 'podCIDR' | 'clusterCIDR' | 'servers' | 'kubernetes'>,
  own: Ipv4,
): NetworkSettings {
  const settings = parseCidr(message.clusterCIDR) && parseSettings(message);
  if (!settings) throw new Error(`the control plane gave no usable pod range: ${JSON.stringify(message.podCIDR)}`);
  const fault = ownRangeFault({ ...settings, address: own });
  if (fault) throw new Error(`the control plane gave a pod range that cannot be used: ${fault}`);
  return settings;
}

/** Of a welcome, or of a checkpoint of it. One of an earlier version knows no range but its own. Undefined without that. */
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
