import type { Timer } from '../../shared/clock.ts';
import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import { isPodTerminal } from '../../shared/pod.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import type { Refusal } from '../admission/refusal.ts';
import type { Dialers } from '../probes/dialers.ts';
import type { ContainerState, RuntimeEvent, SandboxState } from '../runtime/runtime.ts';
import { currentSandbox, newestContainer } from './containers.ts';
import type { ExecutorDeps } from './executors/context.ts';
import { recordDeletion, recordObserved, resetCrashBackOff } from './memory.ts';
import { initialMemory } from './memory-from-status.ts';
import type { PodMemory, PodView } from './model.ts';
import { planPod } from './plan.ts';
import { podRef } from './pod-ref.ts';
import { PodProbers, type ProbedPod } from './probers.ts';
import { RuntimeCache } from './runtime-cache.ts';
import { failedAt, freshFailureMs, type StatusContext } from './status.ts';
import { StatusReporter } from './status-reporter.ts';
import { StepRunner } from './step-runner.ts';
import { WorkerContext } from './worker-context.ts';

export interface WorkerDeps extends ExecutorDeps {
  readonly dialers: Dialers;
  status(): StatusContext;
  /** Whether new sandboxes and containers may be started for the pod. */
  mayStart(pod: Pod): boolean;
  /** Why the pod cannot run on this node, whatever else runs there. */
  unsupported(pod: Pod): Refusal | undefined;
  report(update: PodStatusUpdate): void;
  /** Saves what has to survive the process. `status`: the last reported. */
  remember(pod: Pod, memory: PodMemory, status: PodStatus | undefined): void;
  /** The pod is gone from the node. */
  gone(pod: Pod): void;
  /** Requests a fresh list of what the runtime has. */
  resync(): void;
}

/** As in the kubelet (`immediateEvictionGracePeriodSeconds`). */
const evictionGraceSeconds = 1;

/**
 * The worker of one pod. Every change (an assignment, an event of the runtime, a probe's result, a timer, the end of a step) wakes it;
 * then it plans, starts the steps of the plan that do not run yet, and reports the status. An idle pod has no timer.
 */
export class PodWorker {
  readonly #deps: WorkerDeps;
  readonly #cache: RuntimeCache;
  readonly #context: WorkerContext;
  readonly #steps: StepRunner;
  readonly #status: StatusReporter;
  readonly #probers: PodProbers;
  #timer: { at: number; timer: Timer } | undefined;
  #woken = false;
  #stopped = false;
  /** The pod is gone from the node. */
  #finished = false;

  constructor(deps: WorkerDeps, pod: Pod, memory: PodMemory | undefined) {
    this.#deps = deps;
    this.#cache = new RuntimeCache(deps);
    this.#context = new WorkerContext(pod, initialMemory(pod, memory, deps.clock.now()), this.#cache, {
      changed: () => this.wake(),
      memoryChanged: () => this.#remember(),
      finished: () => this.#finish(),
      resync: () => deps.resync(),
    });
    this.#steps = new StepRunner(deps, this.#context, {
      changing: () => this.#cache.invalidate(),
      ended: () => this.wake(),
    });
    this.#status = new StatusReporter(deps, pod.status, { view: () => this.#view(), changed: () => this.#remember() });
    this.#probers = new PodProbers(deps, () => this.wake());
    this.#remember();
  }

  get pod(): Pod {
    return this.#context.pod;
  }

  get memory(): PodMemory {
    return this.#context.memory;
  }

  /** Of the runtime's state as the worker has it: a list that was requested at an older version is stale. */
  get version(): number {
    return this.#cache.version;
  }

  get containers(): IterableIterator<ContainerState> {
    return this.#cache.containers;
  }

  get sandbox(): SandboxState | undefined {
    return this.#cache.sandbox;
  }

  /** Whether the pod counts for the admission of others: admitted, and not reported as ended. */
  get active(): boolean {
    if (this.memory.terminal?.refused) return false;
    return !this.#finished && !isPodTerminal({ status: this.#status.status });
  }

  /** The whole of the last reported status. */
  currentReport(): PodStatusUpdate {
    const { status } = this.#status;
    return { ...podRef(this.pod), ...(status ? { status } : {}), terminated: this.#finished };
  }

  /** Takes a newer object of the pod; undefined when it was removed from the cluster. */
  assign(pod: Pod | undefined): void {
    const { memory } = this.#context;
    const changed = pod !== undefined && this.#context.setPod(pod);
    this.#context.replaceMemory(recordDeletion(memory, pod, this.#deps.clock.now()));
    if (changed && memory === this.#context.memory) this.#remember();
    this.wake();
  }

  /** A ConfigMap or Secret that the pod names has changed: what failed, or crashed, is tried again at once. */
  inputsChanged(): void {
    this.#context.replaceMemory(resetCrashBackOff(this.memory));
    this.#steps.resetBackOff();
    this.#context.objectsChanged();
    this.wake();
  }

  /** The node's address range has changed: a sandbox that got no address is tried again. */
  addressesChanged(): void {
    this.#context.setProgress({ sandboxFailure: undefined });
  }

  /** Fails the pod: its containers are stopped first. `graceSeconds`: absent: the pod's own. */
  fail({ reason, message }: Refusal, graceSeconds?: number): void {
    if (this.memory.terminal) return;
    const since = this.#deps.clock.now();
    const grace = graceSeconds === undefined ? {} : { graceSeconds };
    this.#context.setMemory({ terminal: { phase: 'Failed', reason, message, since, ...grace } });
    this.wake();
  }

  /** Fails the pod for exceeding a limit: its containers get a short grace period. */
  evict(message: string): void {
    if (this.memory.terminal || this.memory.deletion) return;
    this.#deps.event(this.pod, 'Warning', 'Evicted', message);
    this.fail({ reason: 'Evicted', message }, evictionGraceSeconds);
  }

  /** Takes the runtime's list of the pod's sandboxes and containers; false when it is stale. */
  async observe(
    sandboxes: readonly SandboxState[],
    containers: readonly ContainerState[],
    version: number,
  ): Promise<boolean> {
    const replaced = await this.#cache.replace(this.pod, { sandboxes, containers }, version);
    if (replaced) this.wake();
    return replaced;
  }

  async onEvent(event: RuntimeEvent): Promise<void> {
    if (await this.#cache.apply(this.pod, event)) this.wake();
  }

  wake(): void {
    if (this.#woken || this.#stopped || !this.#cache.listed) return;
    this.#woken = true;
    // By a timer: changes that follow each other are one plan, and the work of other pods comes in between.
    this.#deps.clock.timer(0, () => {
      this.#woken = false;
      if (!this.#stopped) this.#sync();
    });
  }

  /** Ends the worker, and leaves the pod as it is. */
  stop(): void {
    this.#stopped = true;
    this.#steps.stop();
    this.#timer?.timer.cancel();
    this.#status.cancel();
    this.#probers.stop();
  }

  #sync(): void {
    const now = this.#deps.clock.now();
    this.#context.replaceMemory(recordObserved(this.memory, this.#cache.snapshot(), now));
    this.#probers.sync(this.#probed());
    const view = this.#view();
    let wakeAt = Number.POSITIVE_INFINITY;
    for (const step of planPod(view, now)) {
      wakeAt = Math.min(wakeAt, step.action === 'wait' ? step.until : this.#steps.start(step, now));
    }
    for (const at of failedAt(view)) {
      if (at + freshFailureMs > now) wakeAt = Math.min(wakeAt, at + freshFailureMs);
    }
    // While steps run the status may change again soon, unless all containers run.
    if (this.#steps.idle || allRun(view)) this.#status.report(now);
    else this.#status.schedule();
    this.#wakeAt(wakeAt, now);
  }

  #view(): PodView {
    const { pod, memory, progress, inputs } = this.#context;
    return {
      pod,
      observed: this.#cache.snapshot(),
      memory,
      progress,
      inputs,
      probes: this.#probers.verdicts(),
      mayStart: this.#deps.mayStart(pod),
      unsupported: this.#deps.unsupported(pod),
    };
  }

  #probed(): ProbedPod {
    const { pod, memory, progress } = this.#context;
    const sandbox = this.#cache.sandbox;
    const address = pod.spec.hostNetwork ? this.#deps.node().hostIP : sandbox?.address;
    return {
      pod,
      containers: this.#cache.containers,
      progress,
      address: sandbox && address,
      terminating: memory.deletion !== undefined || memory.terminal !== undefined,
      reported: this.#status.status,
    };
  }

  #remember(): void {
    if (!this.#finished) this.#deps.remember(this.pod, this.memory, this.#status.status);
  }

  #finish(): void {
    this.#finished = true;
    this.#status.report(this.#deps.clock.now(), true);
    this.stop();
    this.#deps.gone(this.pod);
  }

  #wakeAt(at: number, now: number): void {
    if (this.#timer) {
      if (this.#timer.at === at) return;
      this.#timer.timer.cancel();
      this.#timer = undefined;
    }
    if (this.#finished || !Number.isFinite(at)) return;
    const timer = this.#deps.clock.timer(Math.max(1, at - now), () => {
      this.#timer = undefined;
      this.wake();
    });
    this.#timer = { at, timer };
  }
}

function allRun({ pod, observed }: PodView): boolean {
  const sandbox = currentSandbox(observed);
  if (!sandbox) return false;
  return pod.spec.containers.every(({ name }) => newestContainer(observed, sandbox.id, name)?.state === 'running');
}
