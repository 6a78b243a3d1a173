import { messageOf } from '../../shared/errors.ts';
import { keyOf } from '../../shared/object.ts';
import type { ExecutorDeps, PodContext } from './executors/context.ts';
import { executors } from './executors/executors.ts';
import type { InputVersions } from './model.ts';
import { isCancellable, lockOf, tryStart } from './step-locks.ts';
import type { Action, Step, StepArgs } from './steps.ts';

export interface StepListener {
  /** A step is about to start, or has ended: what the runtime has may change. */
  changing(): void;
  /** A step has ended: plan again. */
  ended(): void;
}

interface RunningStep {
  readonly step: Step;
  /** Only of cancellable steps. */
  readonly abort?: AbortController;
}

/** Milliseconds until a step that threw is tried again: doubling from the first to the cap. */
const retryFirstMs = 500;
const retryCapMs = 30_000;

/** Runs the steps of one pod beside each other as their locks allow, and retries those that throw with a backoff. */
export class StepRunner {
  readonly #deps: ExecutorDeps;
  readonly #context: PodContext;
  readonly #listener: StepListener;
  /** By lock. */
  readonly #running = new Map<string, RunningStep>();
  /** By lock; `at` by the monotonic clock. */
  readonly #retries = new Map<string, { count: number; at: number }>();
  readonly #lifetime = new AbortController();

  constructor(deps: ExecutorDeps, context: PodContext, listener: StepListener) {
    this.#deps = deps;
    this.#context = context;
    this.#listener = listener;
  }

  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Starts a step unless it runs already or has to wait; returns when to plan again, or infinity. */
  start(step: Step, now: number): number {
    const lock = lockOf(step);
    const running = [...this.#running.values()].map((each) => each.step);
    const { starts, cancels } = tryStart(step, running);
    for (const other of cancels) this.#running.get(lockOf(other))?.abort?.abort();
    if (!starts) return Number.POSITIVE_INFINITY;
    const retryMs = (this.#retries.get(lock)?.at ?? 0) - this.#deps.clock.monotonic();
    if (retryMs > 0) return now + retryMs;
    const abort = isCancellable(step) ? new AbortController() : undefined;
    this.#running.set(lock, { step, ...(abort ? { abort } : {}) });
    this.#listener.changing();
    this.#deps.log.debug({ key: keyOf(this.#context.pod), ...step }, 'step');
    void this.#run(lock, step, this.#context.inputs, abort?.signal ?? this.#lifetime.signal);
    return Number.POSITIVE_INFINITY;
  }

  /** What failed is tried again without waiting. */
  resetBackOff(): void {
    this.#retries.clear();
  }

  /** Aborts what is running, without waiting for its end. */
  stop(): void {
    this.#lifetime.abort();
    for (const { abort } of this.#running.values()) abort?.abort();
  }

  async #run(lock: string, step: Step, inputs: InputVersions, signal: AbortSignal): Promise<void> {
    try {
      await execute(step, this.#deps, this.#context, signal);
      this.#retries.delete(lock);
    } catch (error) {
      if (!signal.aborted) {
        // A failure with older inputs does not count for those that there are now.
        const count = inputs === this.#context.inputs ? (this.#retries.get(lock)?.count ?? 0) + 1 : 1;
        const wait = Math.min(retryCapMs, retryFirstMs * 2 ** Math.min(count - 1, 10));
        this.#retries.set(lock, { count, at: this.#deps.clock.monotonic() + wait });
        const key = keyOf(this.#context.pod);
        this.#deps.log.warn({ key, action: step.action, err: messageOf(error) }, 'step failed');
        this.#context.resync();
      }
    } finally {
      this.#running.delete(lock);
      this.#listener.changing();
      this.#listener.ended();
    }
  }
}

function execute<A extends Action>(
  step: { readonly action: A } & StepArgs[A],
  deps: ExecutorDeps,
  context: PodContext,
  signal: AbortSignal,
): Promise<void> {
  return executors[step.action](deps, context, step, signal);
}
