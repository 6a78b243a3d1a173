import { type Clock, formatMicroTime } from '../../shared/clock.ts';
import type { Lease } from '../../shared/generated/types.ts';
import { type Random, uuid } from '../../shared/random.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { type LeaseStore, leaseKey } from './lease-store.ts';
import type { NodeSessionLease } from './liveness.ts';

/** On a node's Lease: the server with which the node has its session. */
export const serverAnnotation = 'coracle.io/server';

export interface NodeLeaseDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  /** This server's own name. */
  readonly server: string;
}

/**
 * A node's lease: a Lease object on an etcd lease. Heartbeats keep the etcd lease alive, which writes nothing. When they stop, etcd
 * deletes the object, which watches of Leases show.
 */
export class NodeLease {
  readonly #deps: NodeLeaseDeps;
  readonly #node: string;
  readonly #ttlSeconds: number;
  readonly #uid: string;
  #lease: string | undefined;

  constructor(deps: NodeLeaseDeps, { node, leaseMs }: NodeSessionLease) {
    this.#deps = deps;
    this.#node = node;
    this.#ttlSeconds = Math.ceil(leaseMs / 1000);
    this.#uid = uuid(deps.random);
  }

  /** Acquires the lease, in place of an earlier session's. Returns the revision of the Lease object. */
  async acquire(): Promise<number> {
    const { store, clock, server } = this.#deps;
    const lease = await store.grantLease(this.#ttlSeconds);
    const now = formatMicroTime(clock.now());
    const object: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: this.#node,
        namespace: nodeLeaseNamespace,
        uid: this.#uid,
        annotations: { [serverAnnotation]: server },
        creationTimestamp: `${now.slice(0, 19)}Z`,
        resourceVersion: '',
      },
      spec: {
        holderIdentity: this.#node,
        leaseDurationSeconds: this.#ttlSeconds,
        acquireTime: now,
        renewTime: now,
      },
    };
    const key = leaseKey(nodeLeaseNamespace, this.#node);
    const { revision } = await store.txn({
      guards: [],
      writes: [{ type: 'put', key, value: JSON.stringify(object), lease }],
    });
    this.#lease = lease;
    return revision;
  }

  /** The object was deleted: the next renewal creates it again. */
  deleted(): void {
    this.#lease = undefined;
  }

  /** Renews the lease for another `leaseMs`. Throws ApiError. */
  async renew(): Promise<void> {
    if (this.#lease && (await this.#deps.store.keepAlive(this.#lease))) return;
    await this.acquire();
  }
}
