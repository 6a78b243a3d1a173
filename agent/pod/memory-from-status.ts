import { parseTime } from '../../shared/clock.ts';
import type { ContainerStatus, Pod } from '../../shared/generated/types.ts';
import { type ContainerExit, type ContainerMemory, newMemory, type PodMemory } from './model.ts';

/** The memory that a worker starts with. `memory`: from the checkpoint. A pod that was reported as ended does not run again. */
export function initialMemory(pod: Pod, memory: PodMemory | undefined, now: number): PodMemory {
  const initial = memory ?? memoryFromStatus(pod, now);
  const { phase, reason, message } = pod.status ?? {};
  if (initial.terminal || (phase !== 'Succeeded' && phase !== 'Failed')) return initial;
  return { ...initial, terminal: { phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}) } };
}

type Ended = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

/**
 * The memory of a pod that has no checkpoint, from its stored status, as in the kubelet: start time, restart counts and exits are kept.
 * A container that was reported as running counts as lost, unless the runtime has it.
 */
export function memoryFromStatus({ status }: Pod, now: number): PodMemory {
  const {
    startTime,
    initContainerStatuses = [],
    containerStatuses = [],
    ephemeralContainerStatuses = [],
  } = status ?? {};
  const known = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].flatMap((container) => {
    const memory = containerMemory(container, now);
    return memory ? [[container.name, memory] as const] : [];
  });
  return { ...newMemory(parseTime(startTime) ?? now), containers: Object.fromEntries(known) };
}

/** Undefined for a container that has never run. */
function containerMemory(
  { state = {}, lastState = {}, ...status }: ContainerStatus,
  now: number,
): ContainerMemory | undefined {
  const { restartCount } = status;
  const last = lastState.terminated;
  const previous = (attempt: number) => (last ? [exitOf(last, status, attempt, now)] : []);
  const base = { nextAttempt: restartCount + 1, crashes: 0 };
  if (state.running && status.containerID) {
    const { startedAt } = state.running;
    const live = {
      ...containerOf(status.containerID, status),
      attempt: restartCount,
      startedAt: parseTime(startedAt) ?? now,
    };
    return { ...base, live, exits: previous(restartCount - 1) };
  }
  if (state.terminated) {
    return { ...base, exits: [exitOf(state.terminated, status, restartCount, now), ...previous(restartCount - 1)] };
  }
  return last && { ...base, exits: previous(restartCount) };
}

function exitOf(
  ended: Ended,
  status: Pick<ContainerStatus, 'image' | 'imageID'>,
  attempt: number,
  now: number,
): ContainerExit {
  const { exitCode, signal, reason, message } = ended;
  const startedAt = parseTime(ended.startedAt);
  return {
    ...containerOf(ended.containerID ?? '', status),
    attempt,
    exitCode,
    ...(signal ? { signal } : {}),
    reason: reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
    ...(message ? { message } : {}),
    ...(startedAt === undefined ? {} : { startedAt }),
    finishedAt: parseTime(ended.finishedAt) ?? now,
  };
}

/** A status does not name the container's sandbox: an empty id matches none. */
function containerOf(id: string, { image, imageID }: Pick<ContainerStatus, 'image' | 'imageID'>) {
  return { id: id.replace(/^[^/]*:\/\//, ''), sandboxId: '', image, imageId: imageID };
}
