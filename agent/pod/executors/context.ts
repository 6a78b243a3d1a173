import type { Clock } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import type { Log } from '../../../shared/log.ts';
import type { Random } from '../../../shared/random.ts';
import type { PodDns } from '../../dns/pod-dns.ts';
import type { ContainerState, Runtime, SandboxState } from '../../runtime/runtime.ts';
import type { PodVolumes } from '../../volumes/pod-volumes.ts';
import { containerNamed } from '../containers.ts';
import type { Hooks } from '../hooks.ts';
import type { PodEnvironment, PodFacts, PodInputs } from '../inputs.ts';
import type { ContainerProgress, InputVersions, PodContainer, PodMemory, PodProgress } from '../model.ts';
import type { Confiners } from '../spec/confinement.ts';
import type { Action, StepArgs } from '../steps.ts';
import type { TokenSource } from '../tokens.ts';

/** What the executors of all pods share. */
export interface ExecutorDeps {
  readonly runtime: Runtime;
  readonly volumes: PodVolumes;
  readonly inputs: PodInputs;
  readonly hooks: Hooks;
  /** Absent: hollow pods, whose tokens are never read. */
  readonly tokens?: TokenSource | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What pods may know of the node. */
  node(): NodeFacts;
  dnsOf(pod: Pod): PodDns;
  readonly confiners: Confiners;
  /** Resolves when the pod memories are on the disk. */
  saved(): Promise<void>;
  /** An address for the pod, the same for every call. Throws when the range is used up. */
  allocateAddress(uid: string, preferred: string | undefined): string;
  releaseAddress(uid: string): void;
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
}

export interface NodeFacts extends Omit<PodFacts, 'podIP'> {
  /** Bytes. */
  readonly memoryCapacity: number;
}

/** The pod that a step is for, and where its results go. */
export interface PodContext {
  readonly pod: Pod;
  readonly memory: PodMemory;
  readonly progress: PodProgress;
  /** The newest inputs. A step records a failure with the inputs that it was tried with. */
  readonly inputs: InputVersions;
  container(id: string): ContainerState | undefined;
  /** The running container of this name in the sandbox. */
  runningContainer(sandboxId: string, name: string): ContainerState | undefined;
  setMemory(change: Partial<PodMemory>): void;
  setProgress(change: Partial<PodProgress>): void;
  setContainerProgress(name: string, change: Partial<ContainerProgress> & { attempt: number }): void;
  putSandbox(state: SandboxState): void;
  dropSandbox(id: string): void;
  putContainer(state: ContainerState): void;
  dropContainer(id: string): void;
  /** Nothing of the pod is left: the worker ends. */
  finished(): void;
  /** Requests a fresh list of what the runtime has of the pod. */
  resync(): void;
}

/** Executes a step and records the result; it decides nothing. A step that throws is retried. */
export type Executor<A extends Action> = (
  deps: ExecutorDeps,
  context: PodContext,
  args: StepArgs[A],
  signal: AbortSignal,
) => Promise<void>;

/** The pod with the objects and facts that it reads now. */
export function environmentOf(
  deps: ExecutorDeps,
  { pod, memory }: PodContext,
): PodEnvironment & { readonly facts: NodeFacts & PodFacts } {
  const node = deps.node();
  const podIP = pod.spec.hostNetwork ? node.hostIP : (memory.address ?? '');
  return { pod, inputs: deps.inputs, facts: { ...node, podIP } };
}

/** Throws when the pod has no such container. */
export function specOf(pod: Pod, name: string): PodContainer['spec'] {
  const found = containerNamed(pod, name);
  if (!found) throw new Error(`the pod has no container ${name}`);
  return found;
}

/** Undefined when there is none of this attempt. */
export function progressOf(context: PodContext, name: string, attempt: number): ContainerProgress | undefined {
  const progress = context.progress.containers.get(name);
  return progress?.attempt === attempt ? progress : undefined;
}
