import { type Ipv4, isHostAddress, parseIpv4 } from '../../shared/net/ipv4.ts';
import { type PortNumber, parsePort } from '../../shared/net/names.ts';
import { Unusable } from '../session/unusable.ts';

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

/** Where a server of the API listens. Throws Unusable, also for one at a machine's loopback, which no pod reaches. */
export function parseApiServer(value: unknown): Endpoint {
  const { address, port } = (value ?? {}) as Record<string, unknown>;
  const [at, number] = [parseIpv4(address), parsePort(port)];
  if (at && number && isHostAddress(at)) return { address: at, port: number };
  throw new Unusable('it is not the address and port of a server');
}

/** The servers that connections are spread over: each once, in order. */
export function distinctServers(servers: Iterable<Endpoint>): Endpoint[] {
  const found = new Map([...servers].map((server) => [`${server.address}:${server.port}`, server]));
  return [...found.keys()]
    .sort()
    .flatMap((key) => found.get(key) ?? [])
    .slice(0, maxServers);
}
