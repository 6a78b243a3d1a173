import { type Clock, formatMicroTime, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Lease } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { type Random, uuid } from '../../shared/random.ts';
import { type LeaseStore, leaseKey } from './lease-store.ts';

const ttlMs = 10_000;
const renewMs = 3_000;
export const serverLeaseNamespace = 'kube-system';
/** Kubernetes' own label of the leases of API servers. */
export const serverLabel = { key: 'apiserver.kubernetes.io/identity', value: 'kube-apiserver' } as const;
const restAnnotation = 'coracle.io/rest-address';
const grpcAnnotation = 'coracle.io/grpc-address';

/** A server as the other servers see it. */
export interface ServerIdentity {
  /** Its own name, the same after a restart. */
  readonly id: string;
  readonly host: string;
  /** The `host:port` of each of its two APIs. Absent if other servers cannot reach it. */
  readonly rest?: string;
  readonly grpc?: string;
}

export interface ServerLeaseDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whether the main thread's event loop runs, see maxStallMs. Absent: it does. */
  readonly mainThreadAlive?: () => boolean;
}

/**
 * A server's own lease with its addresses: a Lease object in kube-system, as Kubernetes' API servers have, on an etcd lease. It
 * expires ten seconds after the server has stopped.
 */
export class ServerLease {
  readonly #deps: ServerLeaseDeps;
  readonly #identity: ServerIdentity;
  readonly #instance: string;
  #lease: string | undefined;

  constructor(deps: ServerLeaseDeps, identity: ServerIdentity) {
    this.#deps = deps;
    this.#identity = identity;
    this.#instance = uuid(deps.random);
  }

  /** Never rejects: a failure is left to the next renewal. */
  async renew(): Promise<void> {
    const { store, log, mainThreadAlive = () => true } = this.#deps;
    if (!mainThreadAlive()) return;
    try {
      const key = leaseKey(serverLeaseNamespace, serverLeaseName(this.#identity.id));
      const alive = this.#lease !== undefined && (await store.keepAlive(this.#lease));
      // The object may have been deleted.
      if (alive && (await store.get(key)).item) return;
      const lease = await store.grantLease(ttlMs / 1000);
      const value = JSON.stringify(this.#object());
      await store.txn({ guards: [], writes: [{ type: 'put', key, value, lease }] });
      this.#lease = lease;
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'the lease of this server was not renewed');
    }
  }

  /** Renews until aborted, then revokes the lease. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#deps;
    while (!signal.aborted) {
      await pause(clock, renewMs, signal);
      if (!signal.aborted) await this.renew();
    }
    if (this.#lease === undefined) return;
    await store.revokeLease(this.#lease).catch((error) => {
      log.debug({ err: messageOf(error) }, 'the lease of this server was not revoked: it will expire');
    });
  }

  #object(): Lease {
    const { id, host, rest, grpc } = this.#identity;
    const now = formatMicroTime(this.#deps.clock.now());
    const name = serverLeaseName(id);
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name,
        namespace: serverLeaseNamespace,
        uid: this.#instance,
        creationTimestamp: `${now.slice(0, 19)}Z`,
        resourceVersion: '',
        labels: { [serverLabel.key]: serverLabel.value, 'kubernetes.io/hostname': host },
        annotations: { ...(rest ? { [restAnnotation]: rest } : {}), ...(grpc ? { [grpcAnnotation]: grpc } : {}) },
      },
      spec: {
        holderIdentity: `${name}_${this.#instance}`,
        leaseDurationSeconds: ttlMs / 1000,
        acquireTime: now,
        renewTime: now,
      },
    };
  }
}

export function serverLeaseName(id: string): string {
  return `${namePrefix}${id}`;
}

/** Undefined for a lease that is not a server's. */
export function serverOf({ metadata }: Lease): ServerIdentity | undefined {
  const { name, namespace, labels = {}, annotations = {} } = metadata;
  if (namespace !== serverLeaseNamespace || labels[serverLabel.key] !== serverLabel.value) return undefined;
  if (!name.startsWith(namePrefix)) return undefined;
  const { [restAnnotation]: rest, [grpcAnnotation]: grpc } = annotations;
  const host = labels['kubernetes.io/hostname'] ?? '';
  return { id: name.slice(namePrefix.length), host, ...(rest ? { rest } : {}), ...(grpc ? { grpc } : {}) };
}

const namePrefix = 'apiserver-';
