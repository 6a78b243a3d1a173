import { type Ipv4, isHostAddress, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type PortNumber, parsePort } from '../../shared/net/names.ts';
import type { ApiServer } from '../../shared/session.ts';

/** An address and port that a connection can be made to. */
export interface Endpoint {
  readonly address: Ipv4;
  readonly port: PortNumber;
}

/** The service default/kubernetes, and the servers that connections to it are spread over. */
export interface ApiService {
  readonly service: Endpoint;
  readonly servers: readonly Endpoint[];
}

/** Servers that a node spreads connections over; no cluster has as many. */
const maxServers = 64;

/** The servers that pods can be led to, each once and in order: those at a machine's loopback are left out. */
export function parseApiServers(told: readonly ApiServer[]): Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const { address, port } of told) {
    const [at, number] = [parseIpv4(address), parsePort(port)];
    if (at && number && isHostAddress(at)) found.set(`${at}:${number}`, { address: at, port: number });
  }
  return [...found.keys()]
    .sort()
    .flatMap((key) => found.get(key) ?? [])
    .slice(0, maxServers);
}
