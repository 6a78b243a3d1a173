import { type StorageLimits, storageQuota } from '../admission/storage-quota.ts';
import type { CoreDeps } from '../requests/core.ts';
import type { WriteHook } from '../requests/write-hook.ts';
import { eventLease } from './event/lease.ts';
import { nodeGuards } from './node/guards.ts';
import { serviceClaims } from './service/claims.ts';

export interface WriteHookDeps extends CoreDeps {
  /** How long events are kept, in seconds; absent: an hour. */
  readonly eventTtlSeconds?: number;
  /** The range that services get their addresses from; IPv4. */
  readonly serviceCIDR?: string;
  /** What stored objects may take of memory. Absent: anything. */
  readonly storageLimits?: StorageLimits;
}

/** What is stored along with objects, in this order. */
export function writeHooks(deps: WriteHookDeps): readonly WriteHook[] {
  const { cache, storageLimits } = deps;
  const hooks = [serviceClaims(deps), nodeGuards(cache), eventLease(deps)];
  return storageLimits ? [...hooks, storageQuota(storageLimits, () => cache.memory)] : hooks;
}
