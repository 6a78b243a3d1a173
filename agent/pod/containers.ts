import { createHash } from 'node:crypto';
import type { Container, Pod } from '../../shared/generated/types.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';
import type { ContainerExit, ObservedPod, PodContainer, PodView } from './model.ts';

/** Label of a container: when it differs from that of the spec, the container is replaced. */
export const hashLabel = 'coracle.io/container-hash';

const defaultGraceSeconds = 30;

/** When the waits that follow the container's end begin. */
export function countedFrom(exit: ContainerExit): number {
  return exit.countedFrom ?? exit.finishedAt;
}

/**
 * Init containers in their order, then app containers, then ephemeral ones. An init container with the restart policy Always is a
 * sidecar.
 */
export function containersOf(pod: Pod): PodContainer[] {
  return [
    ...(pod.spec.initContainers ?? []).map(
      (spec): PodContainer => ({ spec, role: spec.restartPolicy === 'Always' ? 'sidecar' : 'init' }),
    ),
    ...pod.spec.containers.map((spec): PodContainer => ({ spec, role: 'app' })),
    ...(pod.spec.ephemeralContainers ?? []).map((spec): PodContainer => ({ spec, role: 'ephemeral' })),
  ];
}

/** The spec of the pod's container of this name, whatever its role. */
export function containerNamed(pod: Pod, name: string): PodContainer['spec'] | undefined {
  return containersOf(pod).find(({ spec }) => spec.name === name)?.spec;
}

/** A hash of what replaces the container when it changes: the image. */
export function containerHash(container: Container): string {
  return createHash('sha256').update(`${container.name}\n${container.image}`).digest('hex').slice(0, 16);
}

/** The running sandbox of the newest attempt. */
export function currentSandbox(observed: ObservedPod): SandboxState | undefined {
  let newest: SandboxState | undefined;
  for (const sandbox of observed.sandboxes) {
    if (sandbox.running && (!newest || sandbox.attempt > newest.attempt)) newest = sandbox;
  }
  return newest;
}

/** The current container of this name in the sandbox: the newest running one, else the newest. */
export function newestContainer(observed: ObservedPod, sandboxId: string, name: string): ContainerState | undefined {
  let newest: ContainerState | undefined;
  for (const container of observed.containers) {
    if (container.sandboxId !== sandboxId || container.name !== name) continue;
    if (!newest || rank(container) > rank(newest)) newest = container;
  }
  return newest;
}

function rank({ state, attempt }: ContainerState): number {
  return state === 'running' ? attempt + 2 ** 32 : attempt;
}

export function lastExit(view: PodView, name: string): ContainerExit | undefined {
  return view.memory.containers[name]?.exits[0];
}

export function gracePeriodSeconds(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
}

/** Whether a container with this exit is restarted, by Kubernetes' restart policies. */
export function restarts(
  container: PodContainer,
  policy: string | undefined,
  { exitCode, replaced }: Pick<ContainerExit, 'exitCode' | 'replaced'>,
): boolean {
  if (replaced) return true;
  if (container.role === 'sidecar') return true;
  if (container.role === 'ephemeral') return false;
  if (container.role === 'init') return exitCode !== 0 && policy !== 'Never';
  if (policy === 'Never') return false;
  return policy === 'OnFailure' ? exitCode !== 0 : true;
}

/** The regular init containers that have not succeeded in the sandbox; none once an app container exists in it. */
export function incompleteInit(view: PodView, sandbox: Pick<SandboxState, 'id'> | undefined): PodContainer[] {
  const inits = containersOf(view.pod).filter((container) => container.role === 'init');
  if (!sandbox) return inits;
  if (isInitialized(view, sandbox)) return [];
  return inits.filter(({ spec }) => {
    const exit = lastExit(view, spec.name);
    return !(exit?.exitCode === 0 && exit.sandboxId === sandbox.id);
  });
}

/** App containers are created after initialisation only, so that one that exists, or has existed, proves it. */
export function isInitialized(view: PodView, sandbox: Pick<SandboxState, 'id'>): boolean {
  return view.pod.spec.containers.some(
    ({ name }) =>
      newestContainer(view.observed, sandbox.id, name) !== undefined || lastExit(view, name)?.sandboxId === sandbox.id,
  );
}

/** A sidecar has started when it runs, its postStart hook has ended and its startup probe has succeeded; then the next may start. */
export function hasStarted(view: PodView, container: PodContainer, state: ContainerState | undefined): boolean {
  if (state?.state !== 'running') return false;
  const progress = view.progress.containers.get(container.spec.name);
  if (progress?.hookPending && progress.attempt === state.attempt) return false;
  return container.spec.startupProbe ? view.probes.get(state.id)?.started === true : true;
}
