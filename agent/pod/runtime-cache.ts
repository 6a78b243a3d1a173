import type { Pod } from '../../shared/generated/types.ts';
import type { ContainerState, RuntimeEvent, SandboxState } from '../runtime/runtime.ts';
import { currentSandbox, newestContainer } from './containers.ts';
import type { ExecutorDeps } from './executors/context.ts';
import { startFailureReason } from './executors/start-container.ts';
import { withTerminationMessage } from './executors/termination-message.ts';
import type { ObservedPod } from './model.ts';

/** What the runtime has of one pod, from lists, events and the steps that the worker has run. */
export class RuntimeCache {
  readonly #deps: Pick<ExecutorDeps, 'runtime' | 'volumes' | 'log'>;
  readonly #sandboxes = new Map<string, SandboxState>();
  readonly #containers = new Map<string, ContainerState>();
  #version = 0;
  #listed = false;

  constructor(deps: Pick<ExecutorDeps, 'runtime' | 'volumes' | 'log'>) {
    this.#deps = deps;
  }

  /** Counts changes: a list that was requested at an older version is stale. */
  get version(): number {
    return this.#version;
  }

  /** Whether the runtime has been listed. */
  get listed(): boolean {
    return this.#listed;
  }

  get containers(): IterableIterator<ContainerState> {
    return this.#containers.values();
  }

  /** The running sandbox of the newest attempt. */
  get sandbox(): SandboxState | undefined {
    return currentSandbox(this.snapshot());
  }

  snapshot(): ObservedPod {
    return { sandboxes: [...this.#sandboxes.values()], containers: [...this.#containers.values()] };
  }

  /** Makes lists that are under way stale, because a step changes what the runtime has. */
  invalidate(): void {
    this.#version++;
  }

  /** Replaces everything by a list that was requested at `version`; false when it is stale. */
  async replace(pod: Pod, { sandboxes, containers }: ObservedPod, version: number): Promise<boolean> {
    const states = await Promise.all(containers.map((state) => this.#withTerminationMessage(pod, state)));
    if (version !== this.#version) return false;
    this.#listed = true;
    this.#sandboxes.clear();
    for (const sandbox of sandboxes) this.#sandboxes.set(sandbox.id, sandbox);
    this.#containers.clear();
    for (const state of states) this.#containers.set(state.id, state);
    return true;
  }

  /** Applies an event, inspecting the container that it is about; false when it changes nothing. */
  async apply(pod: Pod, { containerId, type }: RuntimeEvent): Promise<boolean> {
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox) {
      if (type === 'exited' && sandbox.running) this.#sandboxes.set(containerId, { ...sandbox, running: false });
      else if (type === 'removed') this.#sandboxes.delete(containerId);
      else return false;
      this.#version++;
      return true;
    }
    const cached = this.#containers.get(containerId);
    if (!cached || (type === 'started' && cached.state === 'running')) return false;
    const state = type === 'removed' ? undefined : await this.#deps.runtime.inspectContainer(containerId);
    if (state) this.putContainer(await this.#withTerminationMessage(pod, state));
    else this.#containers.delete(containerId);
    this.#version++;
    return true;
  }

  container(id: string): ContainerState | undefined {
    return this.#containers.get(id);
  }

  /** The container of this name that runs in the sandbox. */
  runningContainer(sandboxId: string, name: string): ContainerState | undefined {
    const newest = newestContainer(this.snapshot(), sandboxId, name);
    return newest?.state === 'running' ? newest : undefined;
  }

  putSandbox(state: SandboxState): void {
    this.#sandboxes.set(state.id, state);
  }

  /** Removes a sandbox with its containers. */
  removeSandbox(id: string): void {
    this.#sandboxes.delete(id);
    for (const [containerId, state] of this.#containers) {
      if (state.sandboxId === id) this.#containers.delete(containerId);
    }
  }

  /** A container runs once: a state from before its exit does not replace the exit. */
  putContainer(state: ContainerState): void {
    const cached = this.#containers.get(state.id);
    if (!cached || !hasExited(cached) || state.state === 'exited') this.#containers.set(state.id, state);
  }

  removeContainer(id: string): void {
    this.#containers.delete(id);
  }

  /** The state with its termination message; an exit that is cached already stays as it is. */
  async #withTerminationMessage(pod: Pod, state: ContainerState): Promise<ContainerState> {
    const cached = this.#containers.get(state.id);
    if (cached?.state === 'exited' && (hasExited(cached) || state.state !== 'running')) return cached;
    return withTerminationMessage(this.#deps, pod, state);
  }
}

/** Whether the runtime has reported its exit; a failed start counts as an exit only until a newer state comes. */
function hasExited({ state, reason }: ContainerState): boolean {
  return state === 'exited' && reason !== startFailureReason;
}
