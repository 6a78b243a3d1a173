import { isDeepStrictEqual } from 'node:util';
import { splitAddress } from '../shared/address.ts';
import type { Client } from '../shared/client.ts';
import type { Clock } from '../shared/clock.ts';
import { isApiError, messageOf } from '../shared/errors.ts';
import type { EndpointSlice, Endpoints, Kind, KindMap, Service } from '../shared/generated/types.ts';
import type { Log } from '../shared/log.ts';
import type { Draft } from '../shared/object.ts';
import { serverLabel, serverLeaseNamespace, serverOf } from './liveness/server-lease.ts';

/** How often a server looks which servers there are. */
const roundMs = 10_000;
const name = 'kubernetes';
const namespace = 'default';
const portName = 'https';

export interface KubernetesServiceDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** The service's address: the first of the range. */
  readonly clusterIP: string;
  /** Where this server's REST API listens. */
  readonly port: number;
}

/** `ip`: IPv4, that of no loopback. */
interface ServerAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * The service `default/kubernetes`, by which pods find the API, and its endpoints: every server that lives. Each server says
 * by its Lease that it does, and each writes what it sees; so the endpoints are right a while after any of
 * them has come or gone.
 */
export class KubernetesService {
  readonly #deps: KubernetesServiceDeps;

  constructor(deps: KubernetesServiceDeps) {
    this.#deps = deps;
  }

  /** Looks once. Never rejects: what fails is done by a later look. */
  async look(): Promise<void> {
    const { client, log } = this.#deps;
    try {
      await writeService(this.#deps);
      const servers = await livingServers(client);
      if (servers.length > 0) await writeEndpoints(client, servers);
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'the service of the API could not be kept');
    }
  }

  /** Looks again and again until aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.clock.sleep(roundMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.look();
    }
  }
}

/** In the order of their addresses. */
async function livingServers(client: Client): Promise<ServerAddress[]> {
  const labelSelector = `${serverLabel.key}=${serverLabel.value}`;
  const { items } = await client.list('Lease', { namespace: serverLeaseNamespace, labelSelector });
  const addresses = items.flatMap((lease) => serverOf(lease)?.rest ?? []);
  return addresses.sort().map((address) => {
    const { host, port } = splitAddress(address);
    return { ip: host, port };
  });
}

async function writeService({ client, clusterIP, port: targetPort }: KubernetesServiceDeps): Promise<void> {
  const found = await read(client, 'Service');
  if (found) return;
  const draft: Draft<Service> = {
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      sessionAffinity: 'None',
      ports: [{ name: portName, protocol: 'TCP', port: 443, targetPort }],
    },
  };
  await create(client, 'Service', draft);
}

async function writeEndpoints(client: Client, servers: readonly ServerAddress[]): Promise<void> {
  const byPort = new Map<number, string[]>();
  for (const { ip, port } of servers) byPort.set(port, [...(byPort.get(port) ?? []), ip]);
  const subsets = [...byPort].map(([port, ips]) => ({
    addresses: ips.map((ip) => ({ ip })),
    ports: [{ name: portName, port, protocol: 'TCP' }],
  }));
  const mirrored = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
  await settle<'Endpoints'>(
    client,
    'Endpoints',
    { metadata: { name, namespace, labels: mirrored }, subsets },
    (one) => one.subsets,
  );
  // One slice has one set of ports; servers with different ports are only in the Endpoints.
  const [first] = byPort;
  if (!first) return;
  const [port, ips] = first;
  const slice: Draft<EndpointSlice> = {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: portName, port, protocol: 'TCP' }],
  };
  await settle<'EndpointSlice'>(client, 'EndpointSlice', slice, ({ endpoints, ports }) => ({ endpoints, ports }));
}

/** Makes the object, or has it say what `wanted` says in the part that is looked at. */
async function settle<K extends 'Endpoints' | 'EndpointSlice'>(
  client: Client,
  kind: K,
  wanted: Draft<Endpoints | EndpointSlice> & Draft<KindMap[K]>,
  part: (object: KindMap[K]) => unknown,
): Promise<void> {
  const found = await read(client, kind);
  if (!found) return create(client, kind, wanted);
  if (isDeepStrictEqual(part(found), part(wanted as unknown as KindMap[K]))) return;
  try {
    await client.update(kind, { ...found, ...wanted, metadata: found.metadata } as KindMap[K]);
  } catch (error) {
    // Another server was quicker; the next round sees what it wrote.
    if (!isApiError(error, 'Conflict', 'NotFound')) throw error;
  }
}

async function read<K extends Kind>(client: Client, kind: K): Promise<KindMap[K] | undefined> {
  try {
    return await client.get(kind, name, namespace);
  } catch (error) {
    if (isApiError(error, 'NotFound')) return undefined;
    throw error;
  }
}

async function create<K extends Kind>(client: Client, kind: K, draft: Draft<KindMap[K]>): Promise<void> {
  try {
    await client.create(kind, draft);
  } catch (error) {
    if (!isApiError(error, 'AlreadyExists')) throw error;
  }
}
