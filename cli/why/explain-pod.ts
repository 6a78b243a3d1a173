import { formatBytes, formatCpu } from '../../shared/amounts.ts';
import type { ContainerStatus, Event, Namespace, Node, Pod } from '../../shared/generated/types.ts';
import { ageOf } from '../../shared/kinds/columns/age.ts';
import { readyCondition } from '../../shared/node.ts';
import { keyOf } from '../../shared/object.ts';
import { isPodReady, isPodTerminal, isSidecar, podCondition, podRequests } from '../../shared/pod.ts';
import { byTime, eventAge } from '../describe/describe.ts';
import { renderTable } from '../render/table.ts';
import { nodeVerdicts, type Storage } from './node-verdicts.ts';
import { podData } from './pod-data.ts';

export interface PodFacts {
  readonly pod: Pod;
  readonly events: readonly Event[];
  /** Absent: the user may not list them. */
  readonly nodes?: readonly Node[];
  readonly pods?: readonly Pod[];
  readonly namespaces?: readonly Namespace[];
  readonly storage?: Storage | undefined;
}

/** Why the pod is on its node and in what state, or why it is on none. `now`: milliseconds since the epoch. */
export function explainPod(facts: PodFacts, now: number): string {
  const { pod } = facts;
  const lines = pod.spec.nodeName ? explainPlaced(facts, now) : explainWaiting(facts, now);
  return `${[...leaving(pod), ...lines, ...warnings(facts.events, now)].join('\n')}\n`;
}

function leaving({ metadata }: Pod): string[] {
  const { deletionTimestamp, finalizers } = metadata;
  if (!deletionTimestamp) return [];
  const held = finalizers?.length ? `; held by its finalizers ${finalizers.join(', ')}` : '';
  return [`It is being deleted; the time to stop ends at ${deletionTimestamp}${held}.`];
}

function explainPlaced({ pod, events, nodes }: PodFacts, now: number): string[] {
  const { nodeName } = pod.spec;
  const scheduled = podCondition(pod, 'PodScheduled');
  const decision = events.find(({ reason }) => reason === 'Scheduled');
  const by = decision
    ? `the ${decision.source?.component || decision.reportingComponent || 'scheduler'} chose it`
    : 'it was bound without an event that is still there to read (or created straight onto the node)';
  const since = scheduled?.lastTransitionTime ? ` ${ageOf(scheduled.lastTransitionTime, now)} ago` : '';
  const lines = [`${keyOf(pod)} is on node ${nodeName}${since}: ${by}.`];
  const constraints = placementConstraints(pod);
  if (constraints.length > 0) lines.push(`Its placement constraints: ${constraints.join('; ')}.`);
  if (nodes)
    lines.push(
      ...nodeTrouble(
        nodes.find(({ metadata }) => metadata.name === nodeName),
        nodeName ?? '',
      ),
    );
  lines.push(...stateOf(pod, now));
  return lines;
}

function explainWaiting(facts: PodFacts, now: number): string[] {
  const { pod, nodes, pods, namespaces, storage } = facts;
  const lines = [`${keyOf(pod)} waits for a node (for ${ageOf(pod.metadata.creationTimestamp, now)}).`];
  const gates = pod.spec.schedulingGates ?? [];
  if (gates.length > 0)
    lines.push(`It is held back by its scheduling gates: ${gates.map(({ name }) => name).join(', ')}.`);
  const scheduled = podCondition(pod, 'PodScheduled');
  if (scheduled?.message) lines.push(`The scheduler: ${scheduled.message}`);
  else if (gates.length === 0) {
    const { schedulerName = 'default-scheduler' } = pod.spec;
    lines.push(`No scheduler has reported on it yet; its schedulerName is "${schedulerName}".`);
  }
  const { cpuMillis, memoryBytes } = podRequests(pod.spec);
  lines.push(`It asks for ${formatCpu(cpuMillis)} cpu and ${formatBytes(memoryBytes)} memory${constraintSuffix(pod)}.`);
  if (!nodes) return lines;
  if (storage) lines.push(...podData(pod, storage, nodes));
  if (nodes.length === 0) return [...lines, 'The cluster has no nodes.'];
  const rows = nodeVerdicts(pod, { nodes, pods, namespaces, storage }).map(({ node, details, resources }) => {
    const free = (name: string, show: (amount: number) => string): string => {
      const { free = 0, allocatable = 0 } = resources.find(({ resource }) => resource === name) ?? {};
      return `${show(Math.max(0, free))}/${show(allocatable)}`;
    };
    const obstacles = details.join('; ') || 'fits, as far as can be seen from here';
    return [node, free('cpu', formatCpu), free('memory', formatBytes), obstacles];
  });
  lines.push('', renderTable(['NODE', 'CPU FREE', 'MEMORY FREE', 'WHAT KEEPS IT OFF'], rows).trimEnd());
  return lines;
}

function placementConstraints({ spec }: Pod): string[] {
  const constraints = Object.entries(spec.nodeSelector ?? {}).map(([key, value]) => `a node with ${key}=${value}`);
  if (spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
    constraints.push('its node affinity');
  if (spec.affinity?.podAffinity) constraints.push('to be near other pods');
  if (spec.affinity?.podAntiAffinity) constraints.push('to be away from other pods');
  if (spec.topologySpreadConstraints?.length) constraints.push('to be spread evenly');
  const ports = spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort }) => (hostPort ? [hostPort] : [])),
  );
  if (ports.length > 0) constraints.push(`the node's port ${ports.join(', ')}`);
  return constraints;
}

function constraintSuffix(pod: Pod): string {
  const constraints = placementConstraints(pod);
  return constraints.length > 0 ? `, and for ${constraints.join(', ')}` : '';
}

function nodeTrouble(node: Node | undefined, name: string): string[] {
  if (!node) return [`There is no node ${name} any more.`];
  const ready = readyCondition(node);
  return ready?.status === 'True'
    ? []
    : [`Its node is not ready: ${ready?.message ?? ready?.reason ?? 'it has never reported'}.`];
}

function stateOf(pod: Pod, now: number): string[] {
  if (isPodTerminal(pod))
    return [
      `It has ended: ${pod.status?.phase}${pod.status?.reason ? ` (${pod.status.reason})` : ''}. ${pod.status?.message ?? ''}`.trim(),
    ];
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const first = initContainerStatuses.find(({ name, state, started }) =>
    sidecars.has(name) ? !started : state?.terminated?.exitCode !== 0,
  );
  // The other containers start after the init containers.
  if (first)
    return first.state?.running
      ? [`Init container ${first.name} runs; the others wait for it.`]
      : orElse(troubleOf(first, now), `Init container ${first.name} is yet to run.`);
  const troubles = containerStatuses.flatMap((status) => troubleOf(status, now));
  return orElse(
    troubles,
    isPodReady(pod) ? 'It runs and is ready.' : `It is not ready yet (${pod.status?.phase ?? 'Unknown'}).`,
  );
}

function orElse(lines: string[], otherwise: string): string[] {
  return lines.length > 0 ? lines : [otherwise];
}

function troubleOf({ name, state, lastState, ready, restartCount = 0 }: ContainerStatus, now: number): string[] {
  const last = lastState?.terminated;
  const ended = last
    ? `; it last ended ${ageOf(last.finishedAt, now)} ago with exit code ${last.exitCode}${last.reason ? ` (${last.reason})` : ''}`
    : '';
  const again = restartCount > 0 ? `, restarted ${restartCount} times` : '';
  if (state?.waiting) {
    const { reason = 'waiting', message } = state.waiting;
    return [`Container ${name} waits: ${reason}${message ? `: ${message}` : ''}${again}${ended}.`];
  }
  if (state?.terminated && state.terminated.exitCode !== 0) {
    const { exitCode, reason } = state.terminated;
    return [`Container ${name} ended with exit code ${exitCode}${reason ? ` (${reason})` : ''}${again}.`];
  }
  if (state?.running && !ready) return [`Container ${name} runs but is not ready${again}${ended}.`];
  return [];
}

function warnings(events: readonly Event[], now: number): string[] {
  const shown = events
    .filter(({ type, reason }) => type === 'Warning' && reason !== 'FailedScheduling')
    .sort(byTime)
    .slice(-5);
  if (shown.length === 0) return [];
  return [
    '',
    'Warnings:',
    ...shown.map((event) => `  ${eventAge(event, now)}  ${event.reason}: ${(event.message ?? '').trim()}`),
  ];
}
