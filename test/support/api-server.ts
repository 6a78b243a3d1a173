import type { StorageLimits } from '../../control-plane/api/admission/storage-quota.ts';
import type { Api, NodeStreams } from '../../control-plane/api/api.ts';
import { type Authorizer, component } from '../../control-plane/api/auth/identity.ts';
import { ensureBootObjects } from '../../control-plane/api/boot.ts';
import { createApi } from '../../control-plane/api/create-api.ts';
import { LocalClient } from '../../control-plane/api/local-client.ts';
import type { KindHandlers } from '../../control-plane/api/requests/unstored.ts';
import { WatchCache } from '../../control-plane/store/cache/watch-cache.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import type { Store } from '../../control-plane/store/store.ts';
import { type Clock, systemClock } from '../../shared/clock.ts';
import { createKindRegistry } from '../../shared/kinds/index.ts';
import type { KindRegistry } from '../../shared/kinds/registry.ts';
import { silentLog } from '../../shared/log.ts';
import { type Random, systemRandom } from '../../shared/random.ts';

export interface TestApi {
  readonly kinds: KindRegistry;
  readonly api: Api;
  readonly client: LocalClient;
  readonly store: Store;
  readonly cache: WatchCache;
  stop(): Promise<void>;
}

/** An API server's core in this process, with its boot objects; everything is allowed by default. */
export async function startTestApi(
  parts: {
    store?: Store;
    clock?: Clock;
    random?: Random;
    authorizer?: Authorizer;
    nodeStreams?: NodeStreams;
    window?: number;
    serviceCIDR?: string;
    handlers?: KindHandlers;
    storageLimits?: StorageLimits;
  } = {},
): Promise<TestApi> {
  const {
    clock = systemClock,
    random = systemRandom,
    nodeStreams,
    window,
    serviceCIDR,
    handlers,
    storageLimits,
  } = parts;
  const store = parts.store ?? new MemoryStore({ clock });
  const authorizer = parts.authorizer ?? { authorize: () => ({ allowed: true }) as const };
  const stop = new AbortController();
  const kinds = createKindRegistry();
  const cache = new WatchCache({ kinds: kinds.stored, store, clock, random, log: silentLog, window });
  const running = cache.run(stop.signal);
  await cache.ready(stop.signal);
  const api = createApi({
    store,
    cache,
    authorizer,
    clock,
    random,
    log: silentLog,
    nodeStreams,
    serviceCIDR,
    handlers,
    ...(storageLimits ? { storageLimits } : {}),
  });
  await ensureBootObjects(api, stop.signal);
  return {
    api,
    client: new LocalClient({ api, identity: component('test'), clock }),
    store,
    kinds,
    cache,
    async stop() {
      stop.abort();
      await running;
      await store.close();
    },
  };
}
