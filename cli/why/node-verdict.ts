import { formatCpu as cpu, formatBytes as memory } from '../../shared/amounts.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import {
  addResources,
  isPodTerminal,
  podRequests,
  type Resources,
  resourcesOf,
  untolerated,
} from '../../shared/pod.ts';
import { matchesLabels, matchesNodeSelector, selectorOfMap } from '../../shared/selector.ts';

/** One node as a place for the pod. */
export interface NodeVerdict {
  readonly node: string;
  readonly free: Resources;
  readonly allocatable: Resources;
  /** What keeps the pod off; none when it would fit. */
  readonly obstacles: readonly string[];
}

/**
 * What of the pod's wishes a node does not meet, by what everyone can see: readiness, cordon, taints, selector,
 * affinity and room. The scheduler's own word is in the pod's condition; this shows the numbers behind it.
 */
export function nodeVerdict(pod: Pod, node: Node, pods: readonly Pod[]): NodeVerdict {
  const allocatable = resourcesOf(node.status?.allocatable);
  const free = resourcesOf(node.status?.allocatable);
  let count = 0;
  for (const other of pods) {
    if (other.spec.nodeName !== node.metadata.name || other.metadata.uid === pod.metadata.uid || isPodTerminal(other))
      continue;
    addResources(free, podRequests(other.spec), -1);
    count++;
  }
  return {
    node: node.metadata.name,
    free,
    allocatable,
    obstacles: [...placing(pod, node), ...room(pod, free, allocatable, count)],
  };
}

function placing({ spec }: Pod, { metadata, spec: own, status }: Node): string[] {
  const obstacles: string[] = [];
  const labels = metadata.labels ?? {};
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') obstacles.push(`not ready${ready?.message ? ` (${ready.message})` : ''}`);
  if (own?.unschedulable) obstacles.push('cordoned');
  const taint = untolerated(own?.taints, spec.tolerations);
  // Cordons and failures show as taints too; they have been told already.
  if (taint && !taint.key.startsWith('node.kubernetes.io/')) {
    obstacles.push(`taint ${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect} is not tolerated`);
  } else if (taint && obstacles.length === 0) {
    obstacles.push(`taint ${taint.key}:${taint.effect} is not tolerated`);
  }
  const unmet = Object.entries(spec.nodeSelector ?? {}).filter(
    ([key, value]) => !matchesLabels(selectorOfMap({ [key]: value }), labels),
  );
  if (unmet.length > 0)
    obstacles.push(`has not the label ${unmet.map(([key, value]) => `${key}=${value}`).join(', ')}`);
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required && !matchesNodeSelector(required, { name: metadata.name, labels }))
    obstacles.push("does not match the pod's node affinity");
  return obstacles;
}

function room({ spec }: Pod, free: Resources, allocatable: Resources, count: number): string[] {
  const asked = podRequests(spec);
  const obstacles: string[] = [];
  const check = (what: string, wanted: number, left: number, all: number, show: (amount: number) => string): void => {
    if (wanted > all) obstacles.push(`too small: asks ${show(wanted)} ${what}, has ${show(all)} in all`);
    else if (wanted > left)
      obstacles.push(`${what}: asks ${show(wanted)}, free ${show(Math.max(0, left))} of ${show(all)}`);
  };
  check('cpu', asked.cpuMillis, free.cpuMillis, allocatable.cpuMillis, cpu);
  check('memory', asked.memoryBytes, free.memoryBytes, allocatable.memoryBytes, memory);
  for (const [name, wanted] of asked.other) {
    check(name, wanted, free.other.get(name) ?? 0, allocatable.other.get(name) ?? 0, String);
  }
  const most = allocatable.other.get('pods');
  if (most !== undefined && count >= most) obstacles.push(`full: it runs ${count} pods, the most it may`);
  return obstacles;
}
