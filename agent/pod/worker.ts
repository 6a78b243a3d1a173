import { isDeepStrictEqual } from 'node:util';
import type { Timer } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { keyOf } from '../../shared/object.ts';
import { isPodTerminal } from '../../shared/pod.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import type { Refusal } from '../admission/refusal.ts';
import type { Dialers } from '../probes/dialers.ts';
import type { ContainerState, RuntimeEvent, SandboxState } from '../runtime/runtime.ts';
import { backOffEvents } from './back-off-events.ts';
import { podRef } from './container-spec.ts';
import { currentSandbox, newestContainer } from './containers.ts';
import { type ExecutorDeps, executors, type PodContext, startFailureReason, withMessage } from './execute.ts';
import { recordDeletion, recordObserved, resetCrashBackOff } from './memory.ts';
import { memoryFromStatus } from './memory-from-status.ts';
import {
  emptyProgress,
  firstInputs,
  type InputVersions,
  type PodMemory,
  type PodProgress,
  type PodView,
} from './model.ts';
import { planPod } from './plan.ts';
import { PodProbers, type ProbedPod } from './probers.ts';
import { failedAt, freshFailureMs, podStatus, type StatusContext } from './status.ts';
import { isCancellable, lockOf, tryStart } from './step-locks.ts';
import type { Action, Step, StepArgs } from './steps.ts';

export interface WorkerDeps extends ExecutorDeps {
  readonly dialers: Dialers;
  status(): StatusContext;
  /** Whether new sandboxes and containers may be started for the pod. */
  mayStart(pod: Pod): boolean;
  /** Why the pod cannot run on this node, whatever else runs there. */
  unsupported(pod: Pod): Refusal | undefined;
  report(update: PodStatusUpdate): void;
  /** What is to be known after a restart has changed. `status`: the last reported. */
  remember(pod: Pod, memory: PodMemory, status: PodStatus | undefined): void;
  /** The pod is gone from the node. */
  gone(pod: Pod): void;
  /** Asks for a fresh list of what the runtime has. */
  resync(): void;
}

interface Running {
  readonly step: Step;
  /** For the steps that may be left in the middle. */
  readonly abort?: AbortController;
}

/** Milliseconds a step that threw waits before it is tried again: doubling, from first to cap. */
const retryFirstMs = 500;
const retryCapMs = 30_000;
/** As in the kubelet (`immediateEvictionGracePeriodSeconds`). */
const evictionGraceSeconds = 1;
/** Within this time a change of the status is reported while steps are under way, milliseconds. */
const reportWithinMs = 20;

/**
 * One pod's worker. Whatever happens (an assignment, a runtime event, a probe's verdict, a timer, a step's end) wakes it;
 * it then plans anew and starts what the plan holds and nothing is doing yet. Planning is synchronous, so there is
 * never more than one plan at a time; an idle pod has no timer.
 */
export class PodWorker {
  readonly #deps: WorkerDeps;
  #pod: Pod;
  #memory: PodMemory;
  #progress: PodProgress = emptyProgress;
  #inputs: InputVersions = firstInputs;
  readonly #sandboxes = new Map<string, SandboxState>();
  readonly #containers = new Map<string, ContainerState>();
  readonly #probers: PodProbers;
  readonly #running = new Map<string, Running>();
  /** By lane; `at` by the monotonic clock. */
  readonly #retries = new Map<string, { count: number; at: number }>();
  #timer: { at: number; timer: Timer } | undefined;
  #woken = false;
  #done = false;
  /** Nothing is decided before the first look at what the runtime has. */
  #observedOnce = false;
  #stopped = false;
  readonly #lifetime = new AbortController();
  #reported: PodStatus | undefined;
  /** The same as text, to be compared with. */
  #reportedText: string | undefined;
  #reportTimer: Timer | undefined;
  /** Counts what this worker itself has done to the runtime: a list from before is stale. */
  #version = 0;

  constructor(deps: WorkerDeps, pod: Pod, memory: PodMemory | undefined) {
    this.#deps = deps;
    this.#probers = new PodProbers(deps, () => this.wake());
    this.#pod = pod;
    this.#memory = memory ?? memoryFromStatus(pod, deps.clock.now());
    this.#reported = pod.status;
    const phase = pod.status?.phase;
    if (!this.#memory.terminal && (phase === 'Succeeded' || phase === 'Failed')) {
      const { reason, message } = pod.status ?? {};
      this.#memory = {
        ...this.#memory,
        terminal: { phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}) },
      };
    }
    this.#deps.remember(pod, this.#memory, this.#reported);
  }

  get pod(): Pod {
    return this.#pod;
  }

  get memory(): PodMemory {
    return this.#memory;
  }

  get version(): number {
    return this.#version;
  }

  get containers(): IterableIterator<ContainerState> {
    return this.#containers.values();
  }

  get sandbox(): SandboxState | undefined {
    return currentSandbox(this.#observed());
  }

  /** Whether it counts among the node's pods: admitted, and not known to have ended. */
  get takesRoom(): boolean {
    if (this.#memory.terminal?.refused) return false;
    return !this.#done && !(this.#reported && isPodTerminal({ status: this.#reported } as Pod));
  }

  /** Ends it, once what runs of it has been stopped. */
  fail({ reason, message }: { readonly reason: string; readonly message: string }): void {
    if (this.#memory.terminal) return;
    this.#setMemory({ ...this.#memory, terminal: { phase: 'Failed', reason, message, since: this.#deps.clock.now() } });
    this.wake();
  }

  /** The last status that was reported, and the whole of it again. */
  currentReport(): PodStatusUpdate {
    return { ...podRef(this.#pod), ...(this.#reported ? { status: this.#reported } : {}), terminated: this.#done };
  }

  /** A newer object of the pod; undefined when it was removed from the cluster. */
  assign(pod: Pod | undefined): void {
    const changed = pod !== undefined && !isSamePod(this.#pod, pod);
    if (pod) this.#pod = pod;
    if (changed) this.#inputs = { ...this.#inputs, pod: this.#inputs.pod + 1 };
    const memory = recordDeletion(this.#memory, pod, this.#deps.clock.now());
    if (memory !== this.#memory) this.#setMemory(memory);
    else if (changed) this.#deps.remember(pod, memory, this.#reported);
    this.wake();
  }

  /** A ConfigMap or Secret that the pod names has changed: what failed for it, or crashed, gets a fresh try. */
  inputsChanged(): void {
    this.#setMemory(resetCrashBackOff(this.#memory));
    this.#retries.clear();
    this.#inputs = { ...this.#inputs, objects: this.#inputs.objects + 1 };
    this.wake();
  }

  /** Ends the pod for taking more than it may: what runs gets a short grace. */
  evict(message: string): void {
    if (this.#memory.terminal || this.#memory.deletion) return;
    this.#deps.event(this.#pod, 'Warning', 'Evicted', message);
    const since = this.#deps.clock.now();
    const terminal = {
      phase: 'Failed',
      reason: 'Evicted',
      message,
      since,
      graceSeconds: evictionGraceSeconds,
    } as const;
    this.#setMemory({ ...this.#memory, terminal });
    this.wake();
  }

  /** The node has another range of addresses: a sandbox that found none is tried again. */
  addressesChanged(): void {
    this.#progress = { ...this.#progress, sandboxFailure: undefined };
    this.wake();
  }

  /** What a list of the runtime's shows of the pod. */
  async observe(
    sandboxes: readonly SandboxState[],
    containers: readonly ContainerState[],
    version: number,
  ): Promise<boolean> {
    const states = await Promise.all(containers.map((state) => this.#settled(state)));
    if (version !== this.version) return false;
    this.#observedOnce = true;
    this.#sandboxes.clear();
    for (const sandbox of sandboxes) this.#sandboxes.set(sandbox.id, sandbox);
    this.#containers.clear();
    for (const state of states) this.#containers.set(state.id, state);
    this.wake();
    return true;
  }

  async onEvent(event: RuntimeEvent): Promise<void> {
    const { containerId, type } = event;
    const sandbox = this.#sandboxes.get(containerId);
    if (sandbox) {
      if (type === 'exited' && sandbox.running) this.#sandboxes.set(containerId, { ...sandbox, running: false });
      else if (type === 'removed') this.#sandboxes.delete(containerId);
      else return;
      this.#version++;
      this.wake();
      return;
    }
    const known = this.#containers.get(containerId);
    if (!known || (type === 'started' && known.state === 'running')) return;
    const seen = type === 'removed' ? undefined : await this.#deps.runtime.inspectContainer(containerId);
    if (seen) this.#put(await this.#settled(seen));
    else this.#containers.delete(containerId);
    this.#version++;
    this.wake();
  }

  wake(): void {
    if (this.#woken || this.#stopped || !this.#observedOnce) return;
    this.#woken = true;
    // By a timer and not at once: a burst of news is one plan, and other pods' work comes in between.
    this.#deps.clock.timer(0, () => {
      this.#woken = false;
      if (!this.#stopped) this.#step();
    });
  }

  /** Lets go of the pod without touching it: the agent is going down. */
  stop(): void {
    this.#stopped = true;
    this.#lifetime.abort();
    this.#timer?.timer.cancel();
    this.#reportTimer?.cancel();
    this.#probers.stop();
    for (const { abort } of this.#running.values()) abort?.abort();
  }

  #step(): void {
    const now = this.#deps.clock.now();
    this.#setMemory(recordObserved(this.#memory, this.#observed(), now));
    this.#probers.sync(this.#probed());
    const view = this.#view();
    const plan = planPod(view, now);
    let wakeAt = Number.POSITIVE_INFINITY;
    for (const step of plan) {
      if (step.action === 'wait') wakeAt = Math.min(wakeAt, step.until);
      else wakeAt = Math.min(wakeAt, this.#launch(step, now));
    }
    for (const at of failedAt(view)) {
      const turns = at + freshFailureMs;
      if (turns > now) wakeAt = Math.min(wakeAt, turns);
    }
    // While steps are under way there is more to tell in a moment, unless all that was waited for runs.
    if (this.#running.size === 0 || allRun(view)) this.#report(now);
    else this.#reportSoon();
    this.#wakeAt(wakeAt, now);
  }

  /** Starts a step unless it is under way or has to wait for another; returns when to look again. */
  #launch(step: Step, now: number): number {
    const key = lockOf(step);
    const { starts, cancels } = tryStart(
      step,
      [...this.#running.values()].map((each) => each.step),
    );
    for (const other of cancels) this.#running.get(lockOf(other))?.abort?.abort();
    if (!starts) return Number.POSITIVE_INFINITY;
    const retryMs = (this.#retries.get(key)?.at ?? 0) - this.#deps.clock.monotonic();
    if (retryMs > 0) return now + retryMs;
    const abort = isCancellable(step) ? new AbortController() : undefined;
    this.#running.set(key, { step, ...(abort ? { abort } : {}) });
    this.#version++;
    this.#deps.log.debug({ key: keyOf(this.#pod), ...step }, 'step');
    void this.#execute(key, step, this.#inputs, abort?.signal ?? this.#lifetime.signal);
    return Number.POSITIVE_INFINITY;
  }

  async #execute(key: string, step: Step, inputs: InputVersions, signal: AbortSignal): Promise<void> {
    try {
      await run(step, this.#deps, this.#context, signal);
      this.#retries.delete(key);
    } catch (error) {
      if (!signal.aborted) {
        // A failure with inputs of before says nothing of those of now.
        const count = inputs === this.#inputs ? (this.#retries.get(key)?.count ?? 0) + 1 : 1;
        const wait = Math.min(retryCapMs, retryFirstMs * 2 ** Math.min(count - 1, 10));
        this.#retries.set(key, { count, at: this.#deps.clock.monotonic() + wait });
        this.#deps.log.warn({ key: keyOf(this.#pod), action: step.action, err: messageOf(error) }, 'step failed');
        this.#deps.resync();
      }
    } finally {
      this.#running.delete(key);
      this.#version++;
      this.wake();
    }
  }

  #observed() {
    return { sandboxes: [...this.#sandboxes.values()], containers: [...this.#containers.values()] };
  }

  #view(): PodView {
    return {
      pod: this.#pod,
      observed: this.#observed(),
      memory: this.#memory,
      progress: this.#progress,
      inputs: this.#inputs,
      probes: this.#probers.verdicts(),
      mayStart: this.#deps.mayStart(this.#pod),
      unsupported: this.#deps.unsupported(this.#pod),
    };
  }

  #probed(): ProbedPod {
    const sandbox = currentSandbox(this.#observed());
    const address = this.#pod.spec.hostNetwork ? this.#deps.node().hostIP : sandbox?.address;
    return {
      pod: this.#pod,
      containers: this.#containers.values(),
      progress: this.#progress,
      address: sandbox && address,
      going: this.#memory.deletion !== undefined || this.#memory.terminal !== undefined,
      reported: this.#reported,
    };
  }

  #reportSoon(): void {
    this.#reportTimer ??= this.#deps.clock.timer(reportWithinMs, () => {
      this.#reportTimer = undefined;
      this.#report(this.#deps.clock.now());
    });
  }

  #report(now: number): void {
    this.#reportTimer?.cancel();
    this.#reportTimer = undefined;
    const status = podStatus(this.#view(), this.#reported, this.#deps.status(), now);
    const text = JSON.stringify(status);
    const same = this.#reportedText ? text === this.#reportedText : isDeepStrictEqual(status, this.#reported);
    this.#reportedText = text;
    if (same && !this.#done) return;
    for (const { type, reason, text, container } of backOffEvents(this.#pod, this.#reported, status)) {
      this.#deps.event(this.#pod, type, reason, text, container);
    }
    this.#reported = status;
    if (!this.#done) this.#deps.remember(this.#pod, this.#memory, status);
    this.#deps.report({ ...podRef(this.#pod), status, terminated: this.#done });
  }

  #setMemory(memory: PodMemory): void {
    if (memory === this.#memory) return;
    this.#memory = memory;
    if (!this.#done) this.#deps.remember(this.#pod, memory, this.#reported);
  }

  #wakeAt(at: number, now: number): void {
    if (this.#timer) {
      if (this.#timer.at === at) return;
      this.#timer.timer.cancel();
      this.#timer = undefined;
    }
    if (this.#done || !Number.isFinite(at)) return;
    const timer = this.#deps.clock.timer(Math.max(1, at - now), () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { at, timer };
  }

  /** A state as it should be remembered: an exit with its message, a failed start as the exit it was taken for. */
  async #settled(state: ContainerState): Promise<ContainerState> {
    const known = this.#containers.get(state.id);
    if (known?.state === 'exited' && (hasEnded(known) || state.state !== 'running')) return known;
    return withMessage(this.#deps, this.#pod, state);
  }

  /** An answer that was under way while the container ended is old: a container runs once. */
  #put(state: ContainerState): void {
    const known = this.#containers.get(state.id);
    if (!known || !hasEnded(known) || state.state === 'exited') this.#containers.set(state.id, state);
  }

  readonly #context: PodContext = this.#makeContext();

  #makeContext(): PodContext {
    const worker = this;
    return {
      get pod() {
        return worker.#pod;
      },
      get memory() {
        return worker.#memory;
      },
      get progress() {
        return worker.#progress;
      },
      get inputs() {
        return worker.#inputs;
      },
      container: (id) => worker.#containers.get(id),
      runningContainer(sandboxId, name) {
        const newest = newestContainer(worker.#observed(), sandboxId, name);
        return newest?.state === 'running' ? newest : undefined;
      },
      setMemory: (change) => worker.#setMemory({ ...worker.#memory, ...change }),
      setProgress: (change) => {
        worker.#progress = { ...worker.#progress, ...change };
        worker.wake();
      },
      setContainerProgress: (name, change) => {
        const before = worker.#progress.containers.get(name);
        const base = before?.attempt === change.attempt ? before : {};
        const containers = new Map(worker.#progress.containers).set(name, { ...base, ...change });
        worker.#progress = { ...worker.#progress, containers };
        worker.wake();
      },
      putSandbox: (state) => {
        worker.#sandboxes.set(state.id, state);
        worker.wake();
      },
      dropSandbox: (id) => {
        worker.#sandboxes.delete(id);
        for (const [containerId, state] of worker.#containers) {
          if (state.sandboxId === id) worker.#containers.delete(containerId);
        }
        worker.wake();
      },
      putContainer: (state) => {
        worker.#put(state);
        worker.wake();
      },
      dropContainer: (id) => {
        worker.#containers.delete(id);
        worker.wake();
      },
      finished: () => {
        worker.#done = true;
        worker.#report(worker.#deps.clock.now());
        worker.stop();
        worker.#deps.gone(worker.#pod);
      },
      resync: () => worker.#deps.resync(),
    };
  }
}

/** Whether what the node acts on is the same: a status that comes back from the cluster is no news. */
function isSamePod(a: Pod, b: Pod): boolean {
  const { labels, annotations, deletionTimestamp } = a.metadata;
  return (
    deletionTimestamp === b.metadata.deletionTimestamp &&
    isDeepStrictEqual(labels, b.metadata.labels) &&
    isDeepStrictEqual(annotations, b.metadata.annotations) &&
    isDeepStrictEqual(a.spec, b.spec)
  );
}

/** Whether its exit was seen, and not only taken for one because its start failed. */
function hasEnded({ state, reason }: ContainerState): boolean {
  return state === 'exited' && reason !== startFailureReason;
}

function allRun({ pod, observed }: PodView): boolean {
  const sandbox = currentSandbox(observed);
  if (!sandbox) return false;
  return pod.spec.containers.every(({ name }) => newestContainer(observed, sandbox.id, name)?.state === 'running');
}

function run<A extends Action>(
  step: { readonly action: A } & StepArgs[A],
  deps: ExecutorDeps,
  context: PodContext,
  signal: AbortSignal,
): Promise<void> {
  return executors[step.action](deps, context, step, signal);
}
