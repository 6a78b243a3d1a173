import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { createEventRecorder, type EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind, Pod } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import { createInformers } from '../../shared/informers.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { type Random, randomInt } from '../../shared/random.ts';
import { Decider } from '../../shared/scheduling/decide.ts';
import { type Explanation, explain } from '../../shared/scheduling/explain.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { Plugin } from '../../shared/scheduling/plugin.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import { Binder, type BinderLimits, defaultBinderLimits } from './binder.ts';
import { BindingOutcomes } from './binding-outcomes.ts';
import { Budgets } from './budgets.ts';
import { ClaimBinder } from './claim-binder.ts';
import { EventHandlers } from './event-handlers.ts';
import type { SchedulerMetrics } from './metrics.ts';
import { Preemptor } from './preemptor.ts';
import { SchedulingQueue } from './queue.ts';
import { SchedulingCycle } from './scheduling-cycle.ts';
import { StatusWriter } from './status-writer.ts';

/** The kinds that a scheduler reads. Informers that are passed in must hold them. */
export const schedulerKinds = [
  'Pod',
  'Node',
  'NodeGuard',
  'Namespace',
  'PodDisruptionBudget',
  'PersistentVolumeClaim',
  'PersistentVolume',
  'StorageClass',
] as const satisfies readonly Kind[];

export interface SchedulerDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Shared informers, run by their owner. Absent: the scheduler makes and runs its own. */
  readonly informers?: Informers;
  readonly recorder?: EventRecorder;
  readonly metrics?: SchedulerMetrics;
}

export interface SchedulerOptions {
  /** Pods of this spec.schedulerName are scheduled. */
  readonly name?: string;
  readonly plugins?: readonly Plugin[];
  readonly limits?: Partial<BinderLimits>;
}

export interface Scheduler {
  /** Schedules until aborted. To be called once. */
  run(signal: AbortSignal): Promise<void>;
  /** Why a pod can or cannot go to each node, as the scheduler sees the cluster now. */
  explain(pod: Pod): Explanation;
  /** The numbers of pods without a node: active or in backoff, unschedulable, and with a binding in flight. */
  readonly pending: { readonly active: number; readonly unschedulable: number; readonly inFlight: number };
}

/**
 * Finds a node for every pod that has none:
 *
 *     informers ─▶ EventHandlers ─▶ NodeIndex, SchedulingQueue ─▶ SchedulingCycle ─▶ Binder ─▶ client.bind
 *                                      ▲                                               │
 *                                      └────────────── BindingOutcomes ◀───────────────┘
 *
 * Scheduling cycles go on, on the assumed state, while earlier bindings are in flight.
 */
export function createScheduler(deps: SchedulerDeps, options: SchedulerOptions = {}): Scheduler {
  return new RunningScheduler(deps, options);
}

class RunningScheduler implements Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #options: SchedulerOptions;
  readonly #plugins: readonly Plugin[];
  readonly #index = new NodeIndex();
  readonly #decider: Decider;
  readonly #wakeup = new Wakeup();
  readonly #queue: SchedulingQueue;
  #binder: Binder | undefined;

  constructor(deps: SchedulerDeps, options: SchedulerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#plugins = options.plugins ?? defaultPlugins;
    this.#decider = new Decider(this.#index, this.#plugins, randomInt(deps.random, 2 ** 31));
    this.#queue = new SchedulingQueue(deps, () => this.#wakeup.wake());
  }

  get pending(): Scheduler['pending'] {
    let active = 0;
    let unschedulable = 0;
    for (const { state } of this.#queue.values()) {
      if (state === 'unschedulable') unschedulable++;
      else if (state !== 'in-flight') active++;
    }
    return { active, unschedulable, inFlight: this.#binder?.inFlight ?? 0 };
  }

  explain(pod: Pod): Explanation {
    return explain(pod, this.#index, this.#plugins);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, random, metrics } = this.#deps;
    const log = this.#deps.log.child({ component: 'scheduler' });
    const name = this.#options.name ?? 'default-scheduler';
    const recorder =
      this.#deps.recorder ?? createEventRecorder({ client, clock, random, log, component: name, signal });
    const informers = this.#deps.informers ?? createInformers({ ...this.#deps, log }, schedulerKinds);
    const pods = informers.of('Pod');
    const status = new StatusWriter({ client, clock, log }, signal);
    const budgets = new Budgets();
    const cluster = { index: this.#index, plugins: this.#plugins, budgets, queue: this.#queue };
    const outcomes = new BindingOutcomes({ clock, log, ...cluster, status, recorder, metrics });
    const binder = new Binder(
      { client, clock, log },
      {
        bound: (placement) => outcomes.bound(placement),
        failed: (placement, reason, message) => outcomes.failed(placement, reason, message),
        stale: (placement) => outcomes.stale(placement),
        settled: () => this.#wakeup.wake(),
      },
      { ...defaultBinderLimits, ...this.#options.limits },
    );
    this.#binder = binder;
    const activate = (key: string): void => {
      const queued = this.#queue.get(key);
      if (queued) this.#queue.activate(queued);
    };
    const preemptor = new Preemptor(
      { client, clock, random, recorder, log, ...cluster, podOf: (key) => pods.get(key), activate },
      signal,
    );
    const claims = new ClaimBinder({ client, clock, log, ...cluster });
    const handlers = new EventHandlers({ name, ...cluster, binder, claims, outcomes, status });
    const decider = this.#decider;
    const cycle = new SchedulingCycle({
      clock,
      log,
      ...cluster,
      decider,
      binder,
      claims,
      preemptor,
      status,
      recorder,
      metrics,
    });

    informers.onChange((changes) => {
      handlers.apply(changes);
      this.#wakeup.wake();
    });
    handlers.apply(present(informers));
    const running = this.#deps.informers ? undefined : informers.run(signal);
    try {
      await informers.synced(signal);
      for (;;) {
        await this.#wakeup.wait(signal);
        await cycle.run(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#queue.close();
      await running;
      await binder.idle();
      binder.close();
    }
  }
}

/** The objects that the informers hold already, as changes. */
function present(informers: Informers): Change[] {
  if (informers.revision === 0) return [];
  const changes: Change[] = [];
  for (const kind of schedulerKinds) {
    for (const after of informers.of(kind).values()) changes.push({ kind, key: keyOf(after), after });
  }
  return changes;
}
