import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../shared/generated/types.ts';
import type { ContainerState, SandboxState } from '../runtime/runtime.ts';
import type { PodContext } from './executors/context.ts';
import {
  type ContainerProgress,
  emptyProgress,
  firstInputs,
  type InputVersions,
  type PodMemory,
  type PodProgress,
} from './model.ts';
import type { RuntimeCache } from './runtime-cache.ts';

export interface ContextListener {
  /** What the pod is planned on has changed. */
  changed(): void;
  /** What has to survive the process has changed. */
  memoryChanged(): void;
  /** Nothing of the pod is left on the node. */
  finished(): void;
  resync(): void;
}

/** What one worker knows of its pod, and where its steps record their results. */
export class WorkerContext implements PodContext {
  readonly #cache: RuntimeCache;
  readonly #listener: ContextListener;
  #pod: Pod;
  #memory: PodMemory;
  #progress: PodProgress = emptyProgress;
  #inputs: InputVersions = firstInputs;

  constructor(pod: Pod, memory: PodMemory, cache: RuntimeCache, listener: ContextListener) {
    this.#pod = pod;
    this.#memory = memory;
    this.#cache = cache;
    this.#listener = listener;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get memory(): PodMemory {
    return this.#memory;
  }

  get progress(): PodProgress {
    return this.#progress;
  }

  get inputs(): InputVersions {
    return this.#inputs;
  }

  /** Takes a newer object of the pod; false when it differs only in what the node does not act on. */
  setPod(pod: Pod): boolean {
    const changed = !isSamePod(this.#pod, pod);
    this.#pod = pod;
    if (changed) this.#inputs = { ...this.#inputs, pod: this.#inputs.pod + 1 };
    return changed;
  }

  /** A ConfigMap or Secret that the pod reads has changed. */
  objectsChanged(): void {
    this.#inputs = { ...this.#inputs, objects: this.#inputs.objects + 1 };
  }

  /** Replaces the memory; the same object is no change. */
  replaceMemory(memory: PodMemory): void {
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#listener.memoryChanged();
  }

  setMemory(change: Partial<PodMemory>): void {
    this.replaceMemory({ ...this.#memory, ...change });
  }

  setProgress(change: Partial<PodProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#listener.changed();
  }

  setContainerProgress(name: string, change: Partial<ContainerProgress> & { attempt: number }): void {
    const before = this.#progress.containers.get(name);
    const base = before?.attempt === change.attempt ? before : {};
    this.setProgress({ containers: new Map(this.#progress.containers).set(name, { ...base, ...change }) });
  }

  container(id: string): ContainerState | undefined {
    return this.#cache.container(id);
  }

  runningContainer(sandboxId: string, name: string): ContainerState | undefined {
    return this.#cache.runningContainer(sandboxId, name);
  }

  putSandbox(state: SandboxState): void {
    this.#cache.putSandbox(state);
    this.#listener.changed();
  }

  dropSandbox(id: string): void {
    this.#cache.removeSandbox(id);
    this.#listener.changed();
  }

  putContainer(state: ContainerState): void {
    this.#cache.putContainer(state);
    this.#listener.changed();
  }

  dropContainer(id: string): void {
    this.#cache.removeContainer(id);
    this.#listener.changed();
  }

  finished(): void {
    this.#listener.finished();
  }

  resync(): void {
    this.#listener.resync();
  }
}

/** Whether the objects have the same labels, annotations, spec and deletion; the node's own status comes back with every version. */
function isSamePod(a: Pod, b: Pod): boolean {
  const { labels, annotations, deletionTimestamp } = a.metadata;
  return (
    deletionTimestamp === b.metadata.deletionTimestamp &&
    isDeepStrictEqual(labels, b.metadata.labels) &&
    isDeepStrictEqual(annotations, b.metadata.annotations) &&
    isDeepStrictEqual(a.spec, b.spec)
  );
}
