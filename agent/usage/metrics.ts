import { Gauge, type Registry } from 'prom-client';
import type { Sample } from './report.ts';

type Row = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

/** The last measurement, under the names of the kubelet's `/metrics/resource`; counters begin with each container. */
export function usageMetrics(registry: Registry, last: () => Sample | undefined): void {
  const gauge = (name: string, help: string, labelNames: readonly string[], rows: (sample: Sample) => Row[]): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        const sample = last();
        if (sample) for (const { labels, value } of rows(sample)) this.set(labels, value);
      },
    });
  };
  gauge('node_cpu_usage_seconds_total', 'Processor time of the machine.', [], ({ machine }) =>
    machine ? [{ labels: {}, value: machine.cpuNanoseconds / 1e9 }] : [],
  );
  gauge('node_memory_working_set_bytes', 'Memory of the machine that is in use.', [], ({ machine }) =>
    machine ? [{ labels: {}, value: machine.workingSetBytes }] : [],
  );
  gauge('container_cpu_usage_seconds_total', 'Processor time of a container.', ofContainer, (sample) =>
    containers(sample, ({ cpuNanoseconds }) => cpuNanoseconds / 1e9),
  );
  gauge('container_memory_working_set_bytes', 'Memory of a container that is in use.', ofContainer, (sample) =>
    containers(sample, ({ workingSetBytes }) => workingSetBytes),
  );
  gauge('container_start_time_seconds', 'When a container was started, since 1970.', ofContainer, (sample) =>
    containers(sample, (_stats, startedAt) => (startedAt === undefined ? undefined : startedAt / 1000)),
  );
  gauge('pod_cpu_usage_seconds_total', 'Processor time of the containers of a pod.', ofPod, (sample) =>
    pods(containers(sample, ({ cpuNanoseconds }) => cpuNanoseconds / 1e9)),
  );
  gauge('pod_memory_working_set_bytes', 'Memory of the containers of a pod that is in use.', ofPod, (sample) =>
    pods(containers(sample, ({ workingSetBytes }) => workingSetBytes)),
  );
}

const ofPod = ['namespace', 'pod'] as const;
const ofContainer = ['container', ...ofPod] as const;

type Stats = { readonly cpuNanoseconds: number; readonly workingSetBytes: number };

/** Without containers for which `read` has no value. */
function containers(sample: Sample, read: (stats: Stats, startedAt: number | undefined) => number | undefined): Row[] {
  return [...sample.containers.values()].flatMap(({ state, stats }) => {
    const labels = { container: state.name, namespace: state.pod.namespace, pod: state.pod.name };
    const value = stats && read(stats, state.startedAt);
    return value === undefined ? [] : [{ labels, value }];
  });
}

function pods(rows: readonly Row[]): Row[] {
  const sums = new Map<string, Row>();
  for (const { labels, value } of rows) {
    const { namespace = '', pod = '' } = labels;
    const key = `${namespace}/${pod}`;
    sums.set(key, { labels: { namespace, pod }, value: value + (sums.get(key)?.value ?? 0) });
  }
  return [...sums.values()];
}
