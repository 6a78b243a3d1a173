import type { ContainerState } from '../runtime/runtime.ts';
import { containersOf, gracePeriodSeconds } from './containers.ts';
import type { PodContainer, PodMemory, PodView } from './model.ts';
import type { Step, StepOf } from './steps.ts';

/** Plans the end of a pod that is being deleted: its containers stop, then everything of it is removed. */
export function planTermination(view: PodView, deletion: NonNullable<PodMemory['deletion']>, now: number): Step[] {
  const deadline = deletion.since + deletion.graceSeconds * 1000;
  const { terminal } = view.memory;
  const left = stopAll(view, terminal ? Math.min(deadline, endOf(terminal, view, now)) : deadline, now);
  if (left.length > 0) return left;
  const { sandboxes, containers } = view.observed;
  const steps: Step[] = sandboxes.map(({ id }) => ({ action: 'removeSandbox', id }));
  for (const { id, sandboxId, name } of containers) {
    const alone = !sandboxes.some((sandbox) => sandbox.id === sandboxId);
    if (alone) steps.push({ action: 'removeContainer', container: name, id });
  }
  return steps.length > 0 ? steps : [{ action: 'cleanup' }];
}

/** Plans the end of a terminal pod: its containers stop and its volumes are removed, as with the kubelet. */
export function planEnd(view: PodView, terminal: NonNullable<PodMemory['terminal']>, now: number): Step[] {
  const left = stopAll(view, endOf(terminal, view, now), now);
  if (left.length > 0) return left;
  return view.progress.volumesReleased ? [] : [{ action: 'releaseVolumes' }];
}

/** When the grace period of a terminal pod is over. */
function endOf({ since, graceSeconds }: NonNullable<PodMemory['terminal']>, { pod }: PodView, now: number): number {
  return (since ?? now) + (graceSeconds ?? gracePeriodSeconds(pod)) * 1000;
}

/**
 * Stops the running containers. Sidecars stop after the others, in reverse order, within the same grace period: when it is over, all stop.
 * Their preStop hooks run at once, as in the kubelet (KEP-753).
 */
function stopAll(view: PodView, deadline: number, now: number): Step[] {
  const containers = containersOf(view.pod);
  const indexes = new Map(containers.map(({ spec }, i) => [spec.name, i]));
  const indexOf = ({ name }: ContainerState): number => indexes.get(name) ?? -1;
  const isSidecar = (state: ContainerState): boolean => containers[indexOf(state)]?.role === 'sidecar';
  const running = view.observed.containers.filter(({ state }) => state === 'running');
  return running.flatMap((state): Step[] => {
    const waits = running.some((other) => !isSidecar(other) || indexOf(other) > indexOf(state));
    if (!isSidecar(state) || !waits || now >= deadline) {
      return [stop(state, deadline, `Stopping container ${state.name}`)];
    }
    const wait: Step = { action: 'wait', until: deadline };
    return isHookDue(view, containers[indexOf(state)], state)
      ? [{ action: 'preStop', container: state.name, id: state.id, deadline }, wait]
      : [wait];
  });
}

function isHookDue(view: PodView, container: PodContainer | undefined, { name, attempt }: ContainerState): boolean {
  const progress = view.progress.containers.get(name);
  return container?.spec.lifecycle?.preStop !== undefined && !(progress?.attempt === attempt && progress.preStopped);
}

export function stop(state: ContainerState, deadline: number, why: string): StepOf<'stopContainer'> {
  return { action: 'stopContainer', container: state.name, id: state.id, deadline, why };
}
