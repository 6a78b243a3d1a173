import { formatBytes, formatCpu } from '../../shared/amounts.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import {
  addResources,
  isPodTerminal,
  noResources,
  podLimits,
  podRequests,
  type Resources,
  resourcesOf,
} from '../../shared/pod.ts';
import { type Line, line, map } from './section.ts';

export function nodeLines(node: Node, pods: readonly Pod[]): Array<Line | undefined> {
  const { spec, status } = node;
  const live = pods.filter((pod) => !isPodTerminal(pod));
  const requests = total(live, podRequests);
  const limits = total(live, podLimits);
  const allocatable = resourcesOf(status?.allocatable);
  return [
    {
      label: 'Taints',
      value: spec?.taints?.length
        ? spec.taints.map(({ key, value, effect }) => `${key}${value ? `=${value}` : ''}:${effect}`)
        : '<none>',
    },
    line('Unschedulable', spec?.unschedulable === true),
    {
      label: 'Conditions',
      table: {
        headers: ['Type', 'Status', 'LastTransitionTime', 'Reason', 'Message'],
        rows: (status?.conditions ?? []).map((found) => [
          found.type,
          found.status,
          found.lastTransitionTime ?? '',
          found.reason ?? '',
          found.message ?? '',
        ]),
      },
    },
    { label: 'Addresses', under: (status?.addresses ?? []).map(({ type, address }) => line(type, address)) },
    map('Capacity', status?.capacity, ': '),
    map('Allocatable', status?.allocatable, ': '),
    map('System Info', status?.nodeInfo as unknown as Record<string, string> | undefined, ': '),
    line('PodCIDR', spec?.podCIDR),
    {
      label: `Non-terminated Pods (${live.length} in total)`,
      table: {
        headers: ['Namespace', 'Name', 'CPU Requests', 'Memory Requests'],
        rows: live.map((pod) => {
          const { cpuMillis, memoryBytes } = podRequests(pod.spec);
          return [pod.metadata.namespace ?? '', pod.metadata.name, formatCpu(cpuMillis), formatBytes(memoryBytes)];
        }),
      },
    },
    {
      label: 'Allocated resources',
      table: {
        headers: ['Resource', 'Requests', 'Limits'],
        rows: [
          [
            'cpu',
            share(requests.cpuMillis, allocatable.cpuMillis, formatCpu),
            share(limits.cpuMillis, allocatable.cpuMillis, formatCpu),
          ],
          [
            'memory',
            share(requests.memoryBytes, allocatable.memoryBytes, formatBytes),
            share(limits.memoryBytes, allocatable.memoryBytes, formatBytes),
          ],
        ],
      },
    },
  ];
}

function total(pods: readonly Pod[], of: (spec: Pod['spec']) => Resources): Resources {
  const sum = noResources();
  for (const pod of pods) addResources(sum, of(pod.spec));
  return sum;
}

function share(part: number, whole: number, show: (amount: number) => string): string {
  return `${show(part)} (${whole > 0 ? Math.floor((part / whole) * 100) : 0}%)`;
}
