import { recordObserved } from '../../agent/pod/memory.ts';
import {
  type ContainerExit,
  emptyProgress,
  firstInputs,
  newMemory,
  type PodMemory,
  type PodProgress,
  type PodView,
  type ProbeVerdict,
} from '../../agent/pod/model.ts';
import type { ContainerState, SandboxState } from '../../agent/runtime/runtime.ts';
import type { PodSpec, PodStatus } from '../../shared/generated/types.ts';
import { makePod } from './hollow-agent.ts';

/** When the pod was first seen. */
export const viewStart = Date.UTC(2026, 0, 1, 12);

const ref = { namespace: 'default', name: 'web', uid: 'uid-web' };

/** The running sandbox `s`. */
export function sandboxState(more: Partial<SandboxState> = {}): SandboxState {
  return { id: 's', pod: ref, running: true, address: '10.64.3.2', attempt: 0, createdAt: viewStart, ...more };
}

/** A container of the sandbox `s` that has run since a second after the start. */
export function containerState(name: string, more: Partial<ContainerState> = {}): ContainerState {
  return {
    id: `id-${name}`,
    sandboxId: 's',
    pod: ref,
    name,
    attempt: 0,
    state: 'running',
    image: 'example/app:1',
    imageId: 'sha256:1',
    createdAt: viewStart,
    startedAt: viewStart + 1_000,
    labels: {},
    ...more,
  };
}

/** One that has ended two seconds after the start. */
export function exitedState(name: string, exitCode: number, more: Partial<ContainerState> = {}): ContainerState {
  return containerState(name, { state: 'exited', exitCode, finishedAt: viewStart + 2_000, ...more });
}

/** An exit as the memory has it. */
export function containerExit(name: string, exitCode: number, more: Partial<ContainerExit> = {}): ContainerExit {
  return {
    id: `id-${name}`,
    sandboxId: 's',
    attempt: 0,
    image: 'example/app:1',
    imageId: 'sha256:1',
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    startedAt: viewStart + 1_000,
    finishedAt: viewStart + 2_000,
    ...more,
  };
}

export interface GivenView {
  readonly spec?: Partial<PodSpec>;
  /** As the cluster has it. */
  readonly status?: PodStatus;
  /** One that runs, unless others are given. */
  readonly sandboxes?: readonly SandboxState[];
  readonly containers?: readonly ContainerState[];
  readonly memory?: Partial<PodMemory>;
  readonly progress?: Partial<PodProgress>;
  readonly probes?: ReadonlyArray<[string, ProbeVerdict]>;
  readonly mayStart?: boolean;
  /** Milliseconds since the start. */
  readonly at?: number;
}

/** A pod as it is decided on: its memory is what was seen of `containers`, unless given. */
export function viewOf(given: GivenView): PodView {
  const observed = { sandboxes: given.sandboxes ?? [sandboxState()], containers: given.containers ?? [] };
  const pod = makePod('web', given.spec);
  return {
    pod: given.status ? { ...pod, status: given.status } : pod,
    observed,
    memory: { ...recordObserved(newMemory(viewStart), observed, viewStart + (given.at ?? 5_000)), ...given.memory },
    progress: { ...emptyProgress, ...given.progress },
    inputs: firstInputs,
    probes: new Map(given.probes),
    mayStart: given.mayStart ?? true,
  };
}
