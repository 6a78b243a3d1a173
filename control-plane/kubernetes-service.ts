import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../shared/client.ts';
import type { Clock } from '../shared/clock.ts';
import { isApiError, messageOf } from '../shared/errors.ts';
import type { EndpointSlice, Endpoints, Kind, KindMap, Service } from '../shared/generated/types.ts';
import type { Log } from '../shared/log.ts';
import type { Draft } from '../shared/object.ts';
import { registryPrefix } from './store/keys.ts';
import type { Store } from './store/store.ts';

/** How often a server says that it is there, and looks who else is; and how long it is believed to be there after that. */
const roundMs = 10_000;
const believedSeconds = 25;
const name = 'kubernetes';
const namespace = 'default';
const portName = 'https';
/** What each server is known by, on a lease of its own, beside the objects. */
const serverPrefix = `${registryPrefix}internal/servers/`;

export interface KubernetesServiceDeps {
  readonly client: Client;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The service's address: the first of the range. */
  readonly clusterIP: string;
  /** Where this server's REST API is reached. Absent when there is no address that others could use. */
  readonly address?: ServerAddress;
}

/** `ip`: IPv4, that of no loopback. */
export interface ServerAddress {
  readonly ip: string;
  readonly port: number;
}

/**
 * The service `default/kubernetes`, by which pods find the API, and its endpoints: every server that lives. Each server says
 * by a key on a lease that it does, and each writes what it sees; so the endpoints are right a while after any of
 * them has come or gone.
 */
export class KubernetesService {
  readonly #deps: KubernetesServiceDeps;
  readonly #presence: Presence;

  constructor(deps: KubernetesServiceDeps) {
    this.#deps = deps;
    this.#presence = new Presence(deps);
  }

  /** Looks once. Never rejects: what fails is done by a later look. */
  async look(): Promise<void> {
    const { client, store, log } = this.#deps;
    try {
      await this.#presence.renew();
      await writeService(this.#deps);
      const servers = await livingServers(store);
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
    await this.#presence.leave();
  }
}

/** This server's word that it lives. */
class Presence {
  readonly #deps: KubernetesServiceDeps;
  #lease: string | undefined;

  constructor(deps: KubernetesServiceDeps) {
    this.#deps = deps;
  }

  async renew(): Promise<void> {
    const { store, address } = this.#deps;
    if (!address) return;
    if (this.#lease !== undefined && (await store.keepAlive(this.#lease))) return;
    this.#lease = await store.grantLease(believedSeconds);
    const key = `${serverPrefix}${address.ip}:${address.port}`;
    const write = { type: 'put', key, value: JSON.stringify(address), lease: this.#lease } as const;
    await store.txn({ guards: [], writes: [write] });
  }

  /** Nobody has to wait until the lease has run out. */
  async leave(): Promise<void> {
    if (this.#lease === undefined) return;
    try {
      await this.#deps.store.revokeLease(this.#lease);
    } catch (error) {
      this.#deps.log.debug({ err: messageOf(error) }, 'the lease of this server runs out by itself');
    }
  }
}

/** In the order of their addresses. */
async function livingServers(store: Store): Promise<ServerAddress[]> {
  const { items } = await store.list(serverPrefix);
  return items.map(({ value }) => JSON.parse(value) as ServerAddress);
}

async function writeService({ client, clusterIP, address }: KubernetesServiceDeps): Promise<void> {
  const targetPort = address?.port ?? 443;
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
  // One slice has one set of ports; servers that listen at different ones are told of by Endpoints alone.
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
