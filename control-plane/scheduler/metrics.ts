import { Counter, Histogram, type Registry } from 'prom-client';

/** What a scheduler tells of its work. */
export interface SchedulerMetrics {
  /** A decision, and how long it took. */
  decided(result: 'scheduled' | 'unschedulable', seconds: number): void;
  /** A pod is stored on its node, so long after it was first seen to want one. */
  bound(seconds: number): void;
  /** A placement was refused since something else had happened first. */
  conflict(): void;
}

/** The same as Prometheus metrics, by the names that Kubernetes' scheduler has where it has one. */
export function schedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'scheduler_schedule_attempts_total',
    help: 'Decisions by result.',
    labelNames: ['result'],
    registers,
  });
  const decision = new Histogram({
    name: 'scheduler_scheduling_algorithm_duration_seconds',
    help: 'Time that one decision takes.',
    buckets: [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    registers,
  });
  const latency = new Histogram({
    name: 'scheduler_pod_scheduling_sli_duration_seconds',
    help: 'Time from seeing a pod that wants a node to having stored it on one.',
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    registers,
  });
  const conflicts = new Counter({
    name: 'coracle_scheduler_bind_conflicts_total',
    help: 'Placements that were refused because something else had happened first.',
    registers,
  });
  return {
    decided(result, seconds) {
      attempts.inc({ result });
      decision.observe(seconds);
    },
    bound: (seconds) => latency.observe(seconds),
    conflict: () => conflicts.inc(),
  };
}
