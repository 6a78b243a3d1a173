import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { cacheMetrics, storeMetrics } from './metrics.ts';

const linesOf = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

it('calls of etcd are counted and timed by operation, and errors separately', async () => {
  const registry = new Registry();
  const observe = storeMetrics(registry);
  observe('get', true, 0.002);
  observe('get', false, 0.3);
  observe('txn', true, 0.004);
  const lines = await linesOf(registry);
  expect(lines).toEqual(
    expect.arrayContaining([
      'etcd_requests_total{operation="get"} 2',
      'etcd_requests_total{operation="txn"} 1',
      'etcd_request_errors_total{operation="get"} 1',
      'etcd_request_duration_seconds_count{operation="get"} 2',
      'etcd_request_duration_seconds_sum{operation="get"} 0.302',
      'etcd_request_duration_seconds_bucket{le="0.0025",operation="get"} 1',
    ]),
  );
  expect(lines.filter((line) => line.startsWith('etcd_request_errors_total'))).toHaveLength(1);
});

it('the metrics of the cache show its current objects by resource, memory and revision', async () => {
  const registry = new Registry();
  const cache = {
    count: (kind: string) => (kind === 'Pod' ? 3 : kind === 'Deployment' ? 2 : 0),
    revision: 7,
    memory: { heap: 10, bytes: 20 },
  };
  cacheMetrics(registry, cache);
  expect(await linesOf(registry)).toEqual(
    expect.arrayContaining([
      'apiserver_storage_objects{resource="pods"} 3',
      'apiserver_storage_objects{resource="deployments.apps"} 2',
      'apiserver_storage_objects{resource="nodes"} 0',
      'coracle_storage_memory_bytes{where="heap"} 10',
      'coracle_storage_memory_bytes{where="outside"} 20',
      'coracle_cache_revision 7',
    ]),
  );
  cache.revision = 8;
  expect(await linesOf(registry)).toContain('coracle_cache_revision 8');
});
