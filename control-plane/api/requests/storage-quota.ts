import { getHeapStatistics } from 'node:v8';
import { ApiError } from '../../../shared/errors.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { Memory } from '../../store/cache-state.ts';
import { packedBytes } from '../../store/packed.ts';
import type { RequestContext } from '../api.ts';
import { groups } from '../auth/identity.ts';

/** What stored objects may take of memory, in bytes. */
export interface StorageLimits {
  /** All of it. */
  readonly total: number;
  /** Of the heap. */
  readonly heap: number;
}

/** What is written. */
export interface StoredWrite {
  readonly kind: string;
  /** Its JSON text. */
  readonly text: string;
  readonly after: KubeObject;
  /** What stands there now. */
  readonly present?: KubeObject | undefined;
}

/** The rest of the heap is for requests, for what is parsed of large objects, and for the garbage between two collections. */
const heapShare = 0.5;
/** Of the machine's memory, or of what its control group may have: the other part is for etcd, the heap's other half and the agent. */
const memoryShare = 0.4;
/** An etcd by default keeps 2 GiB, with history. */
const mostByDefault = 1.5 * 1024 ** 3;
/** Beyond its limits by so much what the cluster lives by is still taken. */
const reserve = 1.1;
/** An update that grows by no more than so many bytes is taken within the reserve: a condition, an annotation, a finalizer. */
const smallGrowth = 1024;

/** Kinds without which nodes are lost or do not come back. */
const vital: ReadonlySet<string> = new Set(['CertificateSigningRequest', 'Lease', 'Node', 'NodeGuard']);
/** Of which a node has a bounded number, each of a bounded size (`admission/node-restriction.ts`, `admission/node-reports.ts`). */
const ofNodes: ReadonlySet<string> = new Set(['Lease', 'Node', 'Pod']);

/** `total`: absent, what the machine allows. `machine`: bytes of its memory. */
export function storageLimits(machine: number, total = Math.min(memoryShare * machine, mostByDefault)): StorageLimits {
  return { total, heap: heapShare * getHeapStatistics().heap_size_limit };
}

/**
 * Refuses what would grow the store beyond what this process can hold: whatever was accepted can be loaded again. Deletions,
 * what makes objects smaller, and what components write and nodes report of themselves and their pods are taken always.
 */
export class StorageQuota {
  readonly #limits: StorageLimits;
  readonly #memory: () => Memory;

  constructor(limits: StorageLimits, memory: () => Memory) {
    this.#limits = limits;
    this.#memory = memory;
  }

  /** Throws InsufficientStorage. */
  check({ identity }: Pick<RequestContext, 'identity'>, write: StoredWrite): void {
    const { heap, bytes } = this.#memory();
    const limits = this.#limits;
    const used = Math.max((heap + bytes) / limits.total, heap / limits.heap);
    if (used < 1) return;
    const { after, present, kind } = write;
    if (after.metadata.deletionTimestamp && !present?.metadata.deletionTimestamp) return;
    const node = identity.groups.includes(groups.nodes) && ofNodes.has(kind);
    const system = identity.inProcess === true || node;
    if (present) {
      if (system) return;
      const growth = write.text.length - (packedBytes(present) || JSON.stringify(present).length);
      if (growth <= 0 || (growth <= smallGrowth && used < reserve)) return;
    } else if (identity.inProcess && identity.user === apiServerUser) {
      return;
    } else if (vital.has(kind) && (system || used < reserve)) {
      return;
    }
    throw exceeded(heap, bytes, limits);
  }
}

/** It makes what every cluster has, at each start: without that no server comes up. */
const apiServerUser = 'system:apiserver';

function exceeded(heap: number, bytes: number, { total, heap: heapLimit }: StorageLimits): ApiError {
  const used =
    heap > heapLimit
      ? `${mebibytes(heap)} of the server's heap, limited to ${mebibytes(heapLimit)}`
      : `${mebibytes(heap + bytes)}, limited to ${mebibytes(total)}`;
  return new ApiError(
    'InsufficientStorage',
    `exceeded the storage quota: stored objects take ${used}; delete some, or give the server more memory or a larger --storage-quota`,
  );
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
