import type { Clock } from '../../shared/clock.ts';
import { formatMicroTime } from '../../shared/clock.ts';
import type { Lease } from '../../shared/generated/types.ts';
import { type Random, uuid } from '../../shared/random.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { leaseKey } from './lease-key.ts';
import type { LeaseStore, NodeSessionLease } from './liveness.ts';

/** On a node's Lease: the server that the node has its session with. */
export const serverAnnotation = 'coracle.io/server';

export interface NodeLeaseDeps {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  /** This server's own name. */
  readonly server: string;
}

/**
 * A node's liveness: a Lease object on an etcd lease. While heartbeats arrive the etcd lease is kept alive, which writes nothing;
 * when they stop the object vanishes, and everyone who watches Leases sees it.
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

  /** Makes the node's lease, in place of a former session's. Returns the revision of its object. */
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

  /** The object was deleted: the next renewal makes it again. */
  deleted(): void {
    this.#lease = undefined;
  }

  /** Keeps the node alive for another `leaseMs`. Throws ApiError when the store cannot promise it. */
  async renew(): Promise<void> {
    if (this.#lease && (await this.#deps.store.keepAlive(this.#lease))) return;
    await this.acquire();
  }
}
