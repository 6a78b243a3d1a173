import { Counter, Histogram, type Registry } from 'prom-client';

/** The measurements of a scheduler. */
export interface SchedulerMetrics {
  /** A scheduling decision and its duration. */
  decided(result: 'scheduled' | 'unschedulable', seconds: number): void;
  /** A binding was stored; the time since the pod was queued. */
  bound(seconds: number): void;
  /** A binding was refused because of a newer guard or pod. */
  conflict(): void;
}

/** As Prometheus metrics, under the names of kube-scheduler where it has them. */
export function schedulerMetrics(registry: Registry): SchedulerMetrics {
  const registers = [registry];
  const attempts = new Counter({
    name: 'scheduler_schedule_attempts_total',
    help: 'Scheduling decisions by result.',
    labelNames: ['result'],
    registers,
  });
  const decision = new Histogram({
    name: 'scheduler_scheduling_algorithm_duration_seconds',
    help: 'Duration of one scheduling decision.',
    buckets: [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    registers,
  });
  const latency = new Histogram({
    name: 'scheduler_pod_scheduling_sli_duration_seconds',
    help: 'Time from queueing a pod to its stored binding.',
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100],
    registers,
  });
  const conflicts = new Counter({
    name: 'coracle_scheduler_bind_conflicts_total',
    help: 'Bindings that were refused because of a newer guard or pod.',
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
