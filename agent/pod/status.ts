import { formatTime } from '../../shared/clock.ts';
import type { ContainerState as ApiState, ContainerStatus, PodStatus } from '../../shared/generated/types.ts';
import { qosClass } from '../../shared/pod.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';
import { podConditions } from './conditions.ts';
import {
  containerNamed,
  containersOf,
  countedFrom,
  currentSandbox,
  hasStarted,
  incompleteInit,
  newestContainer,
  restarts,
} from './containers.ts';
import type { ContainerExit, PodContainer, PodView } from './model.ts';
import { crashDelayMs, restartAt } from './plan.ts';
import { appliedResources, resourcesOfText } from './resources.ts';

/** The node's part of a status. */
export interface StatusContext {
  /** The node's address, which is also that of pods on the host's network. */
  readonly hostIP: string;
  /** The scheme of container ids: `docker`. */
  readonly runtimeName: string;
}

/** After this time a failed pull is reported as ImagePullBackOff instead of ErrImagePull, milliseconds. */
export const freshFailureMs = 1_000;

/**
 * The PodStatus as the kubelet reports it. `previous` (reported last, or stored) supplies transition times and the conditions of
 * other writers.
 */
export function podStatus(
  view: PodView,
  previous: PodStatus | undefined,
  context: StatusContext,
  now: number,
): PodStatus {
  const sandbox = currentSandbox(view.observed);
  const containers = containersOf(view.pod).map((container) => ({
    container,
    status: containerStatus(view, container, sandbox, context, now),
  }));
  const inits = containers.filter(({ container }) => isInit(container)).map(({ status }) => status);
  const apps = containers.filter(({ container }) => container.role === 'app').map(({ status }) => status);
  const ephemeral = containers.filter(({ container }) => container.role === 'ephemeral').map(({ status }) => status);
  const phase = podPhase(view, previous, apps, sandbox);
  const ip = view.pod.spec.hostNetwork ? (sandbox ? context.hostIP : undefined) : (sandbox?.address ?? undefined);
  const podIP = ip ?? (isEnded(phase) ? previous?.podIP : undefined);
  const { reason, message } = view.memory.terminal ?? {};
  return {
    phase,
    conditions: podConditions({ view, phase, inits, apps, hasSandbox: sandbox !== undefined, previous, now }),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    hostIP: context.hostIP,
    hostIPs: [{ ip: context.hostIP }],
    ...(podIP ? { podIP, podIPs: [{ ip: podIP }] } : {}),
    startTime: formatTime(view.memory.startTime),
    ...(inits.length > 0 && !view.memory.terminal?.refused ? { initContainerStatuses: inits } : {}),
    ...(view.memory.terminal?.refused ? {} : { containerStatuses: apps }),
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    qosClass: qosClass(view.pod.spec),
  };
}

function isInit({ role }: PodContainer): boolean {
  return role === 'init' || role === 'sidecar';
}

function isEnded(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Terminal only when nothing runs: from then on the scheduler gives the pod's resources to others. */
function podPhase(
  view: PodView,
  previous: PodStatus | undefined,
  apps: readonly ContainerStatus[],
  sandbox: SandboxState | undefined,
): string {
  const runs = view.observed.containers.some(({ state }) => state === 'running');
  if (previous?.phase && isEnded(previous.phase)) return previous.phase;
  if (view.memory.terminal && !runs) return view.memory.terminal.phase;
  if (view.memory.deletion && !runs && apps.every(({ state }) => state?.terminated)) {
    return apps.every(({ state }) => state?.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  const neverRan = apps.some(({ state, lastState }) => !state?.running && !state?.terminated && !lastState?.terminated);
  if (neverRan || (sandbox && incompleteInit(view, sandbox).length > 0)) return 'Pending';
  return 'Running';
}

function containerStatus(
  view: PodView,
  container: PodContainer,
  sandbox: SandboxState | undefined,
  context: StatusContext,
  now: number,
): ContainerStatus {
  const { spec } = container;
  const newest = sandbox
    ? newestContainer(view.observed, sandbox.id, spec.name)
    : view.observed.containers.find(({ name, state }) => name === spec.name && state === 'running');
  const running = newest?.state === 'running' ? newest : undefined;
  const exits = view.memory.containers[spec.name]?.exits ?? [];
  const started = hasStarted(view, container, running);
  const state = running
    ? { running: { startedAt: formatTime(running.startedAt ?? now) } }
    : stoppedState(view, container, exits[0], context, now);
  const last = running || state.waiting ? exits[0] : exits[1];
  const shown = running ?? (state.waiting && newest && newest.state === 'created' ? newest : exits[0]);
  return {
    name: spec.name,
    state,
    lastState: last ? { terminated: terminated(last, context) } : {},
    ready: running
      ? started && isReady(view, container, running)
      : container.role === 'init' && exits[0]?.exitCode === 0,
    restartCount: Math.max(0, running?.attempt ?? exits[0]?.attempt ?? 0),
    image: running?.image || exits[0]?.image || spec.image || '',
    imageID: imageIdOf(shown?.imageId, context),
    ...(shown ? { containerID: `${context.runtimeName}://${shown.id}` } : {}),
    ...(container.role === 'ephemeral' ? {} : { started: running ? started : false }),
    ...(running ? runningResources(view, running) : {}),
  };
}

/** The resources that a running container has: while it is resized they differ from its spec. */
function runningResources(view: PodView, running: ContainerState): Partial<ContainerStatus> {
  const applied = appliedResources(view, running);
  const resources = applied === undefined ? undefined : resourcesOfText(applied);
  if (!resources) return {};
  return { ...(resources.requests ? { allocatedResources: resources.requests } : {}), resources };
}

function isReady(view: PodView, { spec, role }: PodContainer, running: ContainerState): boolean {
  if (role === 'init' || role === 'ephemeral') return false;
  return spec.readinessProbe ? view.probes.get(running.id)?.ready === true : true;
}

function stoppedState(
  view: PodView,
  container: PodContainer,
  exit: ContainerExit | undefined,
  context: StatusContext,
  now: number,
): ApiState {
  const { pod, memory } = view;
  const over = memory.terminal !== undefined || memory.deletion !== undefined;
  const name = container.spec.name;
  if (exit && (over || !restarts(container, pod.spec.restartPolicy, exit))) {
    return { terminated: terminated(exit, context) };
  }
  const waiting = failureOf(view, name, now);
  if (waiting && !over) return { waiting };
  if (exit) {
    if (restartAt(memory, container) <= now) return { terminated: terminated(exit, context) };
    return { waiting: crashLoop(view, name, exit, now) };
  }
  const initializing = isInit(container) || incompleteInit(view, currentSandbox(view.observed)).length > 0;
  return { waiting: { reason: initializing ? 'PodInitializing' : 'ContainerCreating' } };
}

/** When containers failed to start, milliseconds since the epoch: `freshFailureMs` later the reported reason changes. */
export function failedAt({ progress, memory }: PodView): number[] {
  const pulls = [...progress.containers.values()].flatMap(({ failure }) => failure?.at ?? []);
  const starts = Object.values(memory.containers).flatMap(({ exits: [last] }) =>
    last?.reason === 'StartError' ? countedFrom(last) : [],
  );
  return [...pulls, ...starts];
}

/** The failure that keeps a container from starting. */
function failureOf(view: PodView, name: string, now: number): { reason: string; message?: string } | undefined {
  const progress = view.progress.containers.get(name);
  const failure = progress?.failure;
  if (!failure || progress.attempt < (view.memory.containers[name]?.nextAttempt ?? 0) - 1) return undefined;
  const image = containerNamed(view.pod, name)?.image;
  if (failure.inputs.image !== undefined && failure.inputs.image !== image) return undefined;
  const backsOff = failure.reason === 'ErrImagePull' && now - failure.at >= freshFailureMs;
  if (!backsOff) return { reason: failure.reason, message: failure.message };
  return { reason: 'ImagePullBackOff', message: `Back-off pulling image "${image}": ErrImagePull: ${failure.message}` };
}

function crashLoop(view: PodView, name: string, exit: ContainerExit, now: number): { reason: string; message: string } {
  if (exit.reason === 'StartError' && now - countedFrom(exit) < freshFailureMs) {
    return { reason: 'RunContainerError', message: exit.message ?? '' };
  }
  const { metadata } = view.pod;
  const delay = crashDelayMs(view.memory.containers[name]?.crashes ?? 0) / 1000;
  const who = `container=${name} pod=${metadata.name}_${metadata.namespace}(${metadata.uid})`;
  return { reason: 'CrashLoopBackOff', message: `back-off ${formatSeconds(delay)} restarting failed ${who}` };
}

/** As Go formats a duration: 40s, 1m0s. */
function formatSeconds(seconds: number): string {
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function terminated(exit: ContainerExit, context: StatusContext): NonNullable<ApiState['terminated']> {
  return {
    exitCode: exit.exitCode,
    ...(exit.signal ? { signal: exit.signal } : {}),
    reason: exit.reason,
    ...(exit.message ? { message: exit.message } : {}),
    startedAt: formatTime(exit.startedAt ?? exit.finishedAt),
    finishedAt: formatTime(exit.finishedAt),
    containerID: `${context.runtimeName}://${exit.id}`,
  };
}

function imageIdOf(id: string | undefined, context: StatusContext): string {
  if (!id) return '';
  return id.includes('://') ? id : `${context.runtimeName}://${id}`;
}
