import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { SharedFieldSets } from '../../store/field-sets.ts';
import type { Write } from '../../store/store.ts';
import { AdmissionChain } from '../admission/chain.ts';
import { Lanes } from '../admission/lanes.ts';
import type { AdmissionPlugin } from '../admission/plugin.ts';
import type { RequestContext } from '../api.ts';
import { EventLease } from '../resources/event/lease.ts';
import { Core, type CoreDeps } from './core.ts';
import { type StorageLimits, StorageQuota } from './storage-quota.ts';

export interface WriteCoreDeps extends CoreDeps {
  /** In the order in which they are called. */
  readonly plugins: readonly AdmissionPlugin[];
  /** How long events are kept, in seconds; absent: an hour. */
  readonly eventTtlSeconds?: number;
  /** The range that services get their addresses from; IPv4. */
  readonly serviceCIDR?: string;
  /** What stored objects may take of memory. Absent: anything. */
  readonly storageLimits?: StorageLimits;
}

/** What every write needs: admission, and how an object is stored. */
export class WriteCore extends Core {
  readonly admission: AdmissionChain;
  readonly lanes = new Lanes();
  /** Of the objects that are created here. */
  readonly fieldSets = new SharedFieldSets();
  readonly serviceCIDR: string | undefined;
  readonly #events: EventLease;
  readonly #quota: StorageQuota | undefined;

  constructor(deps: WriteCoreDeps) {
    super(deps);
    const { plugins, cache, serviceCIDR, storageLimits } = deps;
    this.admission = new AdmissionChain(plugins, cache);
    this.serviceCIDR = serviceCIDR;
    this.#events = new EventLease(deps);
    this.#quota = storageLimits && new StorageQuota(storageLimits, () => cache.memory);
  }

  /**
   * The write that stores an object's text. An object that is `present` keeps its lease, as a node's Lease does. Throws
   * InsufficientStorage.
   */
  async put(
    context: RequestContext,
    def: KindDef,
    key: string,
    value: string,
    after: KubeObject,
    present?: KubeObject,
  ): Promise<Write> {
    this.#quota?.check(context, { kind: def.kind, text: value, after, present });
    if (def.strategy.expires) return { type: 'put', key, value, lease: await this.#events.get() };
    return present ? { type: 'put', key, value, keepLease: true } : { type: 'put', key, value };
  }
}
