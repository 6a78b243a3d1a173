import ipaddr from 'ipaddr.js';
import { ApiError } from '../../../../shared/errors.ts';
import type { Service, ServicePort, ServiceSpec } from '../../../../shared/generated/types.ts';
import {
  isHeadless,
  wantsAddress,
  wantsHealthCheckPort,
  wantsNodePorts,
} from '../../../../shared/kinds/rules/service-needs.ts';
import { keyOf } from '../../../../shared/object.ts';
import type { Random } from '../../../../shared/random.ts';
import { invalid, invalidError } from '../../../../shared/schema/causes.ts';
import type { WatchCache } from '../../../store/cache/watch-cache.ts';
import { registryPrefix } from '../../../store/keys.ts';
import type { Guard, Item, Write } from '../../../store/store.ts';
import type { Observed } from '../../requests/observed.ts';
import type { Contribution, ObjectChange, WriteHook } from '../../requests/write-hook.ts';

/** The range that services get their addresses from by default. */
export const defaultServiceCIDR = '10.68.0.0/16';
/** The node ports of services, inclusive: Kubernetes' default range. */
export const nodePorts = { first: 30_000, last: 32_767 } as const;
/** The lower part of a range is kept for services that name their address or port, as in Kubernetes. */
const namedAddresses = 256;
const namedPorts = 86;

/** The keys are below the registry's prefix, so that the watch cache sees the revisions of claims too. */
const claimPrefix = `${registryPrefix}internal/services/`;

export interface ServiceClaimsDeps {
  readonly cache: Pick<WatchCache, 'list'>;
  readonly random: Random;
  /** The range that services get their addresses from; IPv4. Absent: `defaultServiceCIDR`. */
  readonly serviceCIDR?: string;
}

/**
 * Gives a service the address and the node ports that it needs and does not name. Each is a claim: a key that is created and deleted in
 * the transaction of its service, so that no two servers assign one address or port twice, and none outlives its service.
 */
export function serviceClaims(deps: ServiceClaimsDeps): WriteHook {
  return {
    kinds: ['Service'],
    contribute: (change, observed) => new ServiceClaims(deps, change, observed).contribution(),
  };
}

class ServiceClaims {
  readonly #deps: ServiceClaimsDeps;
  readonly #change: ObjectChange;
  /** A copy, to be filled in. Undefined: the service is removed. */
  readonly #service: Service | undefined;
  /** The claims that the service has already. */
  readonly #held: ReadonlySet<string>;
  /** The claims that were chosen here: another one will do as well. */
  readonly #chosen = new Set<string>();
  /** The claims that the cache may not show yet. */
  readonly #taken: readonly string[];

  constructor(deps: ServiceClaimsDeps, change: ObjectChange, observed: Observed) {
    this.#deps = deps;
    this.#change = change;
    this.#service = change.after && copyOf(change.after as Service);
    this.#held = claimsOf(change.before as Service | undefined);
    this.#taken = [...observed.keys()].filter((key) => key.startsWith(claimPrefix) && observed.exists(key));
    this.#fill();
  }

  contribution(): Contribution {
    const wanted = claimsOf(this.#service);
    const guards: Guard[] = [];
    const writes: Write[] = [];
    for (const key of wanted) {
      if (this.#held.has(key) || !this.#service) continue;
      guards.push({ key, revision: 0 });
      writes.push({ type: 'put', key, value: JSON.stringify({ service: keyOf(this.#service) }) });
    }
    for (const key of this.#held) if (!wanted.has(key)) writes.push({ type: 'delete', key });
    return { object: this.#service, guards, writes, refused: (current) => this.#refused(guards, current) };
  }

  /** Throws Invalid when the service names what another service has. */
  #refused(guards: readonly Guard[], current: ReadonlyMap<string, Item>): void {
    for (const { key } of guards) if (current.has(key) && !this.#chosen.has(key)) throw this.#alreadyTaken(key);
  }

  #fill(): void {
    const spec = this.#service?.spec;
    if (!spec) return;
    if (wantsAddress(spec) && !isHeadless(spec)) this.#fillAddress(spec);
    if (wantsNodePorts(spec)) this.#fillPorts(spec.ports ?? []);
    if (wantsHealthCheckPort(spec) && !spec.healthCheckNodePort) {
      spec.healthCheckNodePort = this.#choosePort();
    }
    for (const [index, { nodePort }] of (spec.ports ?? []).entries()) {
      if (nodePort) this.#checkPort(nodePort, `spec.ports[${index}].nodePort`);
    }
    if (spec.healthCheckNodePort) this.#checkPort(spec.healthCheckNodePort, 'spec.healthCheckNodePort');
  }

  #fillAddress(spec: ServiceSpec): void {
    const range = addressRange(this.#deps.serviceCIDR ?? defaultServiceCIDR);
    if (spec.clusterIP) {
      const offset = range.offsetOf(spec.clusterIP);
      if (offset !== undefined || this.#held.has(addressKey(spec.clusterIP))) return;
      const why = `the provided IP (${spec.clusterIP}) is not in the valid range. The range of valid IPs is ${range.cidr}`;
      throw this.#invalid('spec.clusterIPs', spec.clusterIPs, `failed to allocate IP ${spec.clusterIP}: ${why}`);
    }
    const used = this.#used(({ clusterIPs = [] }) => clusterIPs.map(addressKey));
    const isFree = (offset: number): boolean => !used.has(addressKey(range.at(offset)));
    // The last address of a range is its broadcast address, and the first two are the network's and the API server's.
    const band = Math.min(namedAddresses, Math.max(16, Math.floor(range.size / 16)));
    const offset = choose(this.#deps.random, 2, band, range.size - 1, isFree);
    if (offset === undefined) throw full('failed to allocate a serviceIP: range is full');
    spec.clusterIP = range.at(offset);
    spec.clusterIPs = [spec.clusterIP];
    this.#chosen.add(addressKey(spec.clusterIP));
  }

  /** One number serves a port for all protocols. */
  #fillPorts(ports: readonly ServicePort[]): void {
    for (const port of ports) {
      if (port.nodePort) continue;
      const twin = ports.find((one) => one !== port && one.port === port.port && one.nodePort);
      const apart = !twin || ports.some((one) => one.protocol === port.protocol && one.nodePort === twin.nodePort);
      port.nodePort = apart ? this.#choosePort() : twin.nodePort;
    }
  }

  #choosePort(): number {
    const used = this.#used(({ ports = [], healthCheckNodePort }) =>
      [...ports.map(({ nodePort }) => nodePort), healthCheckNodePort].map((port) => portKey(port ?? 0)),
    );
    for (const key of claimsOf(this.#service)) used.add(key);
    const isFree = (port: number): boolean => !used.has(portKey(port));
    const { first, last } = nodePorts;
    const port = choose(this.#deps.random, first, first + namedPorts, last + 1, isFree);
    if (port === undefined) throw full('failed to allocate a nodePort: range is full');
    this.#chosen.add(portKey(port));
    return port;
  }

  #checkPort(port: number, field: string): void {
    if (port >= nodePorts.first && port <= nodePorts.last) return;
    if (this.#held.has(portKey(port))) return;
    const why = `provided port is not in the valid range. The range of valid ports is ${nodePorts.first}-${nodePorts.last}`;
    throw this.#invalid(field, port, why);
  }

  /** The claims of all services, of the cache and of refused transactions. */
  #used(claims: (spec: ServiceSpec) => string[]): Set<string> {
    const services = this.#deps.cache.list('Service');
    return new Set([...this.#taken, ...services.flatMap(({ spec }) => claims(spec))]);
  }

  #alreadyTaken(key: string): ApiError {
    const { clusterIP = '', clusterIPs, ports = [], healthCheckNodePort } = this.#service?.spec ?? {};
    if (key === addressKey(clusterIP)) {
      const why = `failed to allocate IP ${clusterIP}: provided IP is already allocated`;
      return this.#invalid('spec.clusterIPs', clusterIPs, why);
    }
    const index = ports.findIndex(({ nodePort }) => nodePort && portKey(nodePort) === key);
    const why = 'provided port is already allocated';
    return index < 0
      ? this.#invalid('spec.healthCheckNodePort', healthCheckNodePort, why)
      : this.#invalid(`spec.ports[${index}].nodePort`, ports[index]?.nodePort, why);
  }

  #invalid(field: string, value: unknown, why: string): ApiError {
    return invalidError(this.#change.def, this.#service?.metadata.name ?? '', [invalid(field, value, why)]);
  }
}

/** A copy whose filled-in parts are not shared. */
function copyOf({ spec, ...service }: Service): Service {
  return { ...service, spec: spec && { ...spec, ports: spec.ports?.map((port) => ({ ...port })) } } as Service;
}

function claimsOf(service: Service | undefined): Set<string> {
  const { clusterIPs = [], ports = [], healthCheckNodePort } = service?.spec ?? {};
  const keys = clusterIPs.filter((address) => address !== 'None').map(addressKey);
  for (const { nodePort } of ports) if (nodePort) keys.push(portKey(nodePort));
  if (healthCheckNodePort) keys.push(portKey(healthCheckNodePort));
  return new Set(keys);
}

function addressKey(address: string): string {
  return `${claimPrefix}ips/${address}`;
}

function portKey(port: number): string {
  return `${claimPrefix}node-ports/${port}`;
}

/** The first address of the range: that of the API server's service. */
export function firstAddress(cidr: string): string {
  return addressRange(cidr).at(1);
}

function addressRange(cidr: string) {
  const [network, bits] = ipaddr.IPv4.parseCIDR(cidr);
  const size = 2 ** (32 - bits);
  const base = Math.floor(numberOf(network) / size) * size;
  return {
    cidr,
    size,
    at: (offset: number): string =>
      [24, 16, 8, 0].map((shift) => Math.floor((base + offset) / 2 ** shift) % 256).join('.'),
    /** Of an address that a service may have; undefined for others. */
    offsetOf(address: string): number | undefined {
      if (!ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined;
      const offset = numberOf(ipaddr.IPv4.parse(address)) - base;
      return offset >= 1 && offset < size - 1 ? offset : undefined;
    },
  };
}

function numberOf(address: ipaddr.IPv4): number {
  return address.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0);
}

/** A random free number of `from` ≤ n < `to`; when there is none, the highest free one below `from`, down to `least`. */
function choose(
  random: Random,
  least: number,
  from: number,
  to: number,
  isFree: (number: number) => boolean,
): number | undefined {
  const upper = Math.max(0, to - from);
  const start = random.bytes(4).reduce((sum, byte) => sum * 256 + byte, 0);
  for (let i = 0; i < upper; i++) {
    const number = from + ((start + i) % upper);
    if (isFree(number)) return number;
  }
  for (let number = Math.min(from, to) - 1; number >= least; number--) if (isFree(number)) return number;
  return undefined;
}

function full(why: string): ApiError {
  return new ApiError('InternalError', `Internal error occurred: ${why}`);
}
