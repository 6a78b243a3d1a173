import { getHeapStatistics } from 'node:v8';
import { ApiError } from '../../../shared/errors.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { packedBytes } from '../../store/cache/packed.ts';
import type { Memory } from '../../store/cache/state.ts';
import { apiServer } from '../auth/components.ts';
import { groups, type Identity } from '../auth/identity.ts';
import { encodeObject } from '../requests/codec.ts';
import type { WriteHook } from '../requests/write-hook.ts';

/** What stored objects may take of memory, in bytes. */
export interface StorageLimits {
  /** All of it. */
  readonly total: number;
  /** Of the heap. */
  readonly heap: number;
}

/** The rest of the heap is for requests, parsed large objects, and garbage between two collections. */
const heapShare = 0.5;
/** Of the machine's memory, or its control group's limit; the rest is for etcd, the other half of the heap and the agent. */
const memoryShare = 0.4;
/** An etcd by default keeps 2 GiB, with history. */
const mostByDefault = 1.5 * 1024 ** 3;
/** Up to this share of the limits, writes of vital kinds and small updates are accepted. */
const reserve = 1.1;
/** Bytes by which an update within the reserve may grow an object: a condition, an annotation, a finalizer. */
const smallGrowth = 1024;

/** Kinds without which nodes are lost or do not come back. */
const vital: ReadonlySet<string> = new Set(['CertificateSigningRequest', 'Lease', 'Node', 'NodeGuard']);
/** Of which a node has a bounded number, each of a bounded size (`admission/plugins/node-restriction/plugin.ts`, `admission/plugins/node-restriction/reports.ts`). */
const ofNodes: ReadonlySet<string> = new Set(['Lease', 'Node', 'Pod']);

/** `total`: absent, what the machine allows. `machine`: bytes of its memory. */
export function storageLimits(machine: number, total = Math.min(memoryShare * machine, mostByDefault)): StorageLimits {
  return { total, heap: heapShare * getHeapStatistics().heap_size_limit };
}

/**
 * Refuses with InsufficientStorage what would grow the store beyond what this process can hold: what was accepted can be loaded again.
 * Deletions, writes that make an object smaller, and what components write and nodes report of themselves are accepted always.
 */
export function storageQuota(limits: StorageLimits, memory: () => Memory): WriteHook {
  return {
    contribute({ identity, def: { kind }, before, after }) {
      const { heap, bytes } = memory();
      const used = Math.max((heap + bytes) / limits.total, heap / limits.heap);
      if (used < 1 || !after) return undefined;
      const allowed = before ? mayUpdate(identity, kind, before, after, used) : mayCreate(identity, kind, used);
      if (!allowed) throw exceeded(heap, bytes, limits);
      return undefined;
    },
  };
}

/** `used`: of the limits, at least 1. */
function mayCreate(identity: Identity, kind: string, used: number): boolean {
  // It creates what every cluster has at each start; without that no server comes up.
  if (identity.inProcess && identity.user === apiServer.user) return true;
  return vital.has(kind) && (isSystem(identity, kind) || used < reserve);
}

function mayUpdate(identity: Identity, kind: string, before: KubeObject, after: KubeObject, used: number): boolean {
  if (after.metadata.deletionTimestamp && !before.metadata.deletionTimestamp) return true;
  if (isSystem(identity, kind)) return true;
  const growth = encodeObject(after).length - (packedBytes(before) || JSON.stringify(before).length);
  return growth <= 0 || (growth <= smallGrowth && used < reserve);
}

function isSystem({ inProcess, groups: held }: Identity, kind: string): boolean {
  return inProcess === true || (held.includes(groups.nodes) && ofNodes.has(kind));
}

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
