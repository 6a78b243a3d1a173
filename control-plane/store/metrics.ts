import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Kind } from '../../shared/generated/types.ts';
import { kinds } from '../../shared/kinds/index.ts';
import type { WatchCache } from './cache/watch-cache.ts';

/** Is called when a call to etcd has ended, with its retries. */
export type ObserveStore = (operation: string, ok: boolean, seconds: number) => void;

/** Counts calls in Prometheus metrics, by the names of Kubernetes' API server. */
export function storeMetrics(registry: Registry): ObserveStore {
  const registers = [registry];
  const seconds = new Histogram({
    name: 'etcd_request_duration_seconds',
    help: 'How long calls to etcd took.',
    labelNames: ['operation'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const calls = new Counter({
    name: 'etcd_requests_total',
    help: 'Calls to etcd.',
    labelNames: ['operation'],
    registers,
  });
  const failures = new Counter({
    name: 'etcd_request_errors_total',
    help: 'Calls to etcd that failed.',
    labelNames: ['operation'],
    registers,
  });
  return (operation, ok, took) => {
    calls.inc({ operation });
    if (!ok) failures.inc({ operation });
    seconds.observe({ operation }, took);
  };
}

/** The number of objects of each kind and their memory, computed when it is scraped. */
export function cacheMetrics(registry: Registry, cache: Pick<WatchCache, 'count' | 'revision' | 'memory'>): void {
  new Gauge({
    name: 'apiserver_storage_objects',
    help: 'Stored objects, by resource.',
    labelNames: ['resource'],
    registers: [registry],
    collect() {
      for (const { kind, plural, group } of kinds) {
        this.set({ resource: group ? `${plural}.${group}` : plural }, cache.count(kind as Kind));
      }
    },
  });
  new Gauge({
    name: 'coracle_storage_memory_bytes',
    help: 'What stored objects take of memory, of the heap about.',
    labelNames: ['where'],
    registers: [registry],
    collect() {
      const { heap, bytes } = cache.memory;
      this.set({ where: 'heap' }, heap);
      this.set({ where: 'outside' }, bytes);
    },
  });
  new Gauge({
    name: 'coracle_cache_revision',
    help: 'The revision of the store that the watch cache shows.',
    registers: [registry],
    collect() {
      this.set(cache.revision);
    },
  });
}
