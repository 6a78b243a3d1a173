import type { Clock } from '../../shared/clock.ts';
import { formatMicroTime } from '../../shared/clock.ts';
import type { Lease } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { objectKey } from '../store/keys.ts';
import type { Store } from '../store/store.ts';

const leaseKind = kindNamed('Lease');
/** On a node's Lease: the server that the node has its session with. */
export const serverAnnotation = 'coracle.io/server';

export interface NodeLivenessDeps {
  readonly store: Store;
  readonly clock: Clock;
  /** This server's own name. */
  readonly server: string;
}

/**
 * A node's liveness: a Lease object that hangs on an etcd lease. While heartbeats arrive the etcd lease is kept
 * alive, which writes nothing; when they stop the object vanishes, and everyone who watches Leases sees it.
 */
export class NodeLiveness {
  readonly #deps: NodeLivenessDeps;
  readonly #node: string;
  readonly #leaseMs: number;
  readonly #session: string;
  #lease: string | undefined;

  constructor(deps: NodeLivenessDeps, node: string, leaseMs: number, session: string) {
    this.#deps = deps;
    this.#node = node;
    this.#leaseMs = leaseMs;
    this.#session = session;
  }

  /** Makes the node's lease, in place of a former session's. Returns the revision of its object. */
  async acquire(): Promise<number> {
    const { store, clock, server } = this.#deps;
    const lease = await store.grantLease(Math.ceil(this.#leaseMs / 1000));
    const now = formatMicroTime(clock.now());
    const object: Lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        name: this.#node,
        namespace: nodeLeaseNamespace,
        uid: this.#session,
        annotations: { [serverAnnotation]: server },
        creationTimestamp: `${now.slice(0, 19)}Z`,
        resourceVersion: '',
      },
      spec: {
        holderIdentity: this.#node,
        leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
        acquireTime: now,
        renewTime: now,
      },
    };
    const key = objectKey(leaseKind, nodeLeaseNamespace, this.#node);
    const { revision } = await store.txn({
      guards: [],
      writes: [{ type: 'put', key, value: JSON.stringify(object), lease }],
    });
    this.#lease = lease;
    return revision;
  }

  /** Somebody has deleted the object: the next renewal makes it again. */
  lost(): void {
    this.#lease = undefined;
  }

  /** Keeps the node alive for another `leaseMs`. Throws ApiError when the store can't promise it. */
  async renew(): Promise<void> {
    if (this.#lease && (await this.#deps.store.keepAlive(this.#lease))) return;
    await this.acquire();
  }
}
