import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Metrics of the controllers' queues, with the names of client-go's workqueue. `name`: the controller. */
export interface QueueMetrics {
  /** Registers a queue, whose depth is read at each scrape; replaces one of the same name. */
  queue(name: string, depth: () => number): void;
  added(name: string): void;
  retried(name: string): void;
  /** A reconciliation has ended. */
  worked(name: string, seconds: number): void;
}

export function queueMetrics(registry: Registry): QueueMetrics {
  const registers = [registry];
  const labelNames = ['name'] as const;
  const depths = new Map<string, () => number>();
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Keys that were added.', labelNames, registers });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys that failed and are retried.',
    labelNames,
    registers,
  });
  const seconds = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Duration of a reconciliation.',
    labelNames,
    buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10],
    registers,
  });
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait for a worker.',
    labelNames,
    registers,
    collect() {
      for (const [name, depth] of depths) this.set({ name }, depth());
    },
  });
  return {
    queue: (name, depth) => void depths.set(name, depth),
    added: (name) => adds.inc({ name }),
    retried: (name) => retries.inc({ name }),
    worked: (name, took) => seconds.observe({ name }, took),
  };
}
