import type { ContainerStatus, Pod } from '../../generated/types.ts';
import { isPodReady, isPodTerminal, isSidecar, podCondition } from '../../pod.ts';
import type { Column } from '../kind.ts';
import { ageOf } from './age.ts';
import { ageColumn, nameColumn, text, wide } from './columns.ts';

/** A pod in one line, with its status in kubectl's words. */
export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  readonly restarts: number;
  /** RFC 3339; when the last container ended that was started again. */
  readonly lastRestart?: string;
  /** `Running`, `Init:0/1`, `CrashLoopBackOff`, `Terminating` … */
  readonly status: string;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  text('Ready', 'Number of ready containers, and of all containers that should run.', (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  text('Status', 'The state of the pod, or the reason why it waits.', (pod) => summarizePod(pod).status),
  text('Restarts', 'Number of container restarts, and the time since the last one.', (pod, now) => {
    const { restarts, lastRestart } = summarizePod(pod);
    return restarts > 0 && lastRestart ? `${restarts} (${ageOf(lastRestart, now)} ago)` : String(restarts);
  }),
  ageColumn as Column<Pod>,
  wide('IP', 'The address of the pod.', ({ status }) => status?.podIP || status?.podIPs?.[0]?.ip || '<none>'),
  wide('Node', 'The node that the pod is bound to.', ({ spec }) => spec.nodeName || '<none>'),
  wide(
    'Nominated Node',
    'The node where room is being made for it.',
    ({ status }) => status?.nominatedNodeName || '<none>',
  ),
  wide('Readiness Gates', 'Number of readiness gates that are true, and of all readiness gates.', (pod) => {
    const gates = pod.spec.readinessGates ?? [];
    const open = gates.filter(({ conditionType }) => podCondition(pod, conditionType)?.status === 'True');
    return gates.length > 0 ? `${open.length}/${gates.length}` : '<none>';
  }),
];

export function summarizePod(pod: Pod): PodSummary {
  const { spec, status } = pod;
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const total = spec.containers.length + sidecars.size;
  const gated = podCondition(pod, 'PodScheduled')?.reason === 'SchedulingGated';
  const phase = status?.reason || status?.phase || 'Unknown';
  const start = summarizeStart(pod, sidecars);
  let said: string = start.status ?? (gated ? 'SchedulingGated' : phase);
  let { ready } = start;
  let counted = start.all;
  if (start.status === undefined || podCondition(pod, 'Initialized')?.status === 'True') {
    const run = summarizeRun(status?.containerStatuses ?? []);
    // Completed init containers do not count; sidecars do.
    counted = [...start.sidecars, ...(status?.containerStatuses ?? [])];
    ready += run.ready;
    said = run.status ?? said;
    if (said === 'Completed' && run.running) said = isPodReady(pod) ? 'Running' : 'NotReady';
  }
  if (pod.metadata.deletionTimestamp) {
    if (status?.reason === 'NodeLost') said = 'Unknown';
    else if (!isPodTerminal(pod)) said = 'Terminating';
  }
  const restarts = counted.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  return { ready, total, restarts, lastRestart: lastEnd(counted), status: said };
}

/** The progress of the init containers. `status` is set while one of them is not done. */
function summarizeStart(pod: Pod, sidecars: ReadonlySet<string>) {
  const all = pod.status?.initContainerStatuses ?? [];
  const planned = pod.spec.initContainers?.length ?? 0;
  let ready = 0;
  let status: string | undefined;
  let seen = 0;
  for (const [index, container] of all.entries()) {
    seen = index + 1;
    const { state } = container;
    if (state?.terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) ready++;
      continue;
    }
    if (state?.terminated) status = `Init:${ending(state.terminated)}`;
    else if (state?.waiting?.reason && state.waiting.reason !== 'PodInitializing')
      status = `Init:${state.waiting.reason}`;
    else status = `Init:${index}/${planned}`;
    break;
  }
  const reached = all.slice(0, seen);
  return { status, ready, all: reached, sidecars: reached.filter(({ name }) => sidecars.has(name)) };
}

/** The status is that of the first container that waits or has ended. */
function summarizeRun(containers: readonly ContainerStatus[]) {
  let status: string | undefined;
  let ready = 0;
  let running = false;
  for (const { state, ready: isReady } of containers.toReversed()) {
    if (state?.waiting?.reason) status = state.waiting.reason;
    else if (state?.terminated) status = ending(state.terminated);
    else if (isReady && state?.running) {
      running = true;
      ready++;
    }
  }
  return { status, ready, running };
}

function ending({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  if (reason) return reason;
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}

function lastEnd(containers: readonly ContainerStatus[]): string | undefined {
  const ends = containers.flatMap(({ lastState }) => lastState?.terminated?.finishedAt ?? []);
  return ends.sort().at(-1);
}
