import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What a controller's queue tells, under the names of client-go's workqueue. `name`: the controller. */
export interface QueueMetrics {
  /** A queue to be looked at whenever somebody asks how full it is; the newest of a name counts. */
  queue(name: string, depth: () => number): void;
  added(name: string): void;
  retried(name: string): void;
  /** A key was worked on for so long. */
  worked(name: string, seconds: number): void;
}

export function queueMetrics(registry: Registry): QueueMetrics {
  const registers = [registry];
  const labelNames = ['name'] as const;
  const depths = new Map<string, () => number>();
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Keys that were added.', labelNames, registers });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Keys that failed and are to come again.',
    labelNames,
    registers,
  });
  const seconds = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long one key was worked on.',
    labelNames,
    buckets: [0.0001, 0.001, 0.01, 0.1, 1, 10],
    registers,
  });
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait.',
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
