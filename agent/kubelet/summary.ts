import { formatTime } from '../../shared/clock.ts';
import type { Usage, UsageReport } from '../../shared/session.ts';
import type { Measured, Sample } from '../usage/report.ts';

/**
 * The usage of the node and its pods as the kubelet's `/stats/summary` (kubelet/pkg/apis/stats/v1alpha1). `sample`: the last measurement;
 * `report`: its rates; `volumesOf`: the volumes of a pod. Networks and file systems are not measured, and left out.
 */
export function summaryOf(
  nodeName: string,
  sample: Sample | undefined,
  report: UsageReport | undefined,
  volumesOf: (uid: string) => readonly object[],
): object {
  if (!sample) return { node: { nodeName }, pods: [] };
  const time = formatTime(sample.at);
  const { machine } = sample;
  const node = {
    nodeName,
    ...(machine ? resources(time, machine, report?.node) : {}),
  };
  const byPod = new Map<string, Measured[]>();
  for (const measured of sample.containers.values()) {
    const { uid } = measured.state.pod;
    byPod.set(uid, [...(byPod.get(uid) ?? []), measured]);
  }
  const rates = new Map(report?.pods.map((pod) => [pod.uid, pod.containers]));
  return {
    node,
    pods: [...byPod].map(([uid, containers]) => ({
      ...podOf(time, containers, rates.get(uid) ?? []),
      ...listed(volumesOf(uid)),
    })),
  };
}

function listed(volume: readonly object[]): object {
  return volume.length > 0 ? { volume } : {};
}

interface Amounts {
  readonly cpuNanoseconds: number;
  readonly workingSetBytes: number;
}

function podOf(time: string, containers: readonly Measured[], rates: ReadonlyArray<Usage & { name: string }>): object {
  const [first] = containers;
  const measured = containers.flatMap(({ stats }) => (stats ? [stats] : []));
  const whole = measured.length === containers.length;
  const started = Math.min(...containers.map(({ state }) => state.startedAt ?? state.createdAt));
  return {
    podRef: first?.state.pod,
    startTime: formatTime(started),
    containers: containers.map(({ state, stats }) => ({
      name: state.name,
      startTime: formatTime(state.startedAt ?? state.createdAt),
      ...(stats
        ? resources(
            time,
            stats,
            rates.find(({ name }) => name === state.name),
          )
        : {}),
    })),
    ...(whole ? resources(time, sum(measured), rates.length > 0 ? sumOfRates(rates) : undefined) : {}),
  };
}

function resources(time: string, { cpuNanoseconds, workingSetBytes }: Amounts, rate: Usage | undefined): object {
  return {
    cpu: {
      time,
      ...(rate ? { usageNanoCores: rate.cpuNanoCores } : {}),
      usageCoreNanoSeconds: cpuNanoseconds,
    },
    memory: { time, workingSetBytes },
  };
}

function sum(all: readonly Amounts[]): Amounts {
  return {
    cpuNanoseconds: all.reduce((total, { cpuNanoseconds }) => total + cpuNanoseconds, 0),
    workingSetBytes: all.reduce((total, { workingSetBytes }) => total + workingSetBytes, 0),
  };
}

function sumOfRates(rates: readonly Usage[]): Usage {
  return {
    cpuNanoCores: rates.reduce((total, { cpuNanoCores }) => total + cpuNanoCores, 0),
    memoryBytes: rates.reduce((total, { memoryBytes }) => total + memoryBytes, 0),
  };
}
