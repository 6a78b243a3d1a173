import { aside } from '../../shared/aside.ts';
import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { createEventRecorder, type EventRecorder } from '../../shared/event-recorder.ts';
import type { Kind, Namespace, Node, NodeGuard, Pod, PodDisruptionBudget } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import { createInformers } from '../../shared/informers.ts';
import type { Log } from '../../shared/log.ts';
import { podCondition } from '../../shared/pod.ts';
import { type Random, randomInt } from '../../shared/random.ts';
import { eventsThatHelp } from '../../shared/scheduling/checks.ts';
import { Decider, type Decision } from '../../shared/scheduling/decide.ts';
import { type Explanation, explain, unschedulableMessage } from '../../shared/scheduling/explain.ts';
import { NodeIndex } from '../../shared/scheduling/node-index.ts';
import type { NodeInfo, PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent, Plugin, Rejections } from '../../shared/scheduling/plugin.ts';
import { defaultPlugins } from '../../shared/scheduling/plugins/index.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import { Binder, type BinderLimits, defaultBinderLimits, type Placement } from './binder.ts';
import { Budgets } from './budgets.ts';
import type { SchedulerMetrics } from './metrics.ts';
import { Preemptor } from './preemptor.ts';
import { type QueuedPod, SchedulingQueue } from './queue.ts';
import { nominatedNode, StatusWriter } from './status-writer.ts';

/** What a scheduler decides on. Informers that are handed in must hold these. */
export const schedulerKinds = [
  ...['Pod', 'Node', 'NodeGuard', 'Namespace', 'PodDisruptionBudget'],
] as const satisfies readonly Kind[];

/** A longer turn would keep the other work of the process waiting. */
const turnMs = 4;
/** Decisions between two looks at the clock. */
const decisionsPerLook = 16;

export interface SchedulerDeps {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Shared with others of the process, who run them. Absent: the scheduler makes and runs its own. */
  readonly informers?: Informers;
  readonly recorder?: EventRecorder;
  readonly metrics?: SchedulerMetrics;
}

export interface SchedulerOptions {
  /** Pods of this spec.schedulerName are ours. */
  readonly name?: string;
  readonly plugins?: readonly Plugin[];
  readonly limits?: Partial<BinderLimits>;
}

export interface Scheduler {
  /** Schedules until aborted. To be called once. */
  run(signal: AbortSignal): Promise<void>;
  /** Why a pod can or can't go to each node, as the scheduler sees the cluster now. */
  explain(pod: Pod): Explanation;
  /** Pods that wait for a node, by how. */
  readonly pending: { readonly active: number; readonly unschedulable: number; readonly underway: number };
}

/**
 * Finds a node for every pod that has none:
 *
 *     informers ─▶ NodeIndex, SchedulingQueue ─▶ Decider ─▶ assume ─▶ Binder ─▶ client.bind
 *                        ▲                                              │
 *                        └───────────── bound, lost, outdated ◀─────────┘
 *
 * Decisions go on, on the assumed state, while earlier ones are being stored.
 */
export function createScheduler(deps: SchedulerDeps, options: SchedulerOptions = {}): Scheduler {
  return new RunningScheduler(deps, options);
}

class RunningScheduler implements Scheduler {
  readonly #deps: SchedulerDeps;
  readonly #log: Log;
  readonly #name: string;
  readonly #plugins: readonly Plugin[];
  readonly #index = new NodeIndex();
  readonly #decider: Decider;
  readonly #queue: SchedulingQueue;
  readonly #binder: Binder;
  readonly #budgets = new Budgets();
  readonly #work = new Wakeup();
  #recorder: EventRecorder | undefined;
  #status: StatusWriter | undefined;
  #preemptor: Preemptor | undefined;

  constructor(deps: SchedulerDeps, options: SchedulerOptions) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'scheduler' });
    this.#name = options.name ?? 'default-scheduler';
    this.#plugins = options.plugins ?? defaultPlugins;
    this.#decider = new Decider(this.#index, this.#plugins, randomInt(deps.random, 2 ** 31));
    this.#queue = new SchedulingQueue(deps, () => this.#work.wake());
    this.#binder = new Binder(
      { client: deps.client, clock: deps.clock, log: this.#log },
      {
        bound: (placement) => this.#bound(placement),
        lost: (placement, reason, message) => this.#lost(placement, reason, message),
        outdated: (placement) => this.#outdated(placement),
        settled: () => this.#work.wake(),
      },
      { ...defaultBinderLimits, ...options.limits },
    );
  }

  get pending(): Scheduler['pending'] {
    let active = 0;
    let unschedulable = 0;
    for (const { state } of this.#queue.values()) {
      if (state === 'parked') unschedulable++;
      else if (state !== 'deciding') active++;
    }
    return { active, unschedulable, underway: this.#binder.underway };
  }

  explain(pod: Pod): Explanation {
    return explain(pod, this.#index, this.#plugins);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, random } = this.#deps;
    this.#recorder =
      this.#deps.recorder ??
      createEventRecorder({ client, clock, random, log: this.#log, component: this.#name, signal });
    this.#status = new StatusWriter({ client, clock, log: this.#log }, signal);
    const informers = this.#deps.informers ?? createInformers({ ...this.#deps, log: this.#log }, schedulerKinds);
    const pods = informers.of('Pod');
    const recorder = this.#recorder;
    const again = (key: string): void => {
      const queued = this.#queue.get(key);
      if (queued) this.#queue.changed(queued);
    };
    const cluster = { index: this.#index, plugins: this.#plugins, budgets: this.#budgets };
    this.#preemptor = new Preemptor(
      { client, clock, random, recorder, log: this.#log, ...cluster, podOf: (key) => pods.get(key), again },
      signal,
    );
    informers.onChange((changes) => this.#apply(changes));
    this.#apply(present(informers));
    const own = this.#deps.informers ? undefined : informers.run(signal);
    try {
      await informers.synced(signal);
      for (;;) {
        await this.#work.wait(signal);
        await this.#schedule(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#queue.close();
      await own;
      await this.#binder.idle();
      this.#binder.close();
    }
  }

  /** Decides on all pods that are ready, in turns between which the process does its other work. */
  async #schedule(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      const started = clock.monotonic();
      let more = true;
      while (more && clock.monotonic() - started < turnMs) {
        for (let i = 0; more && i < decisionsPerLook; i++) more = this.#scheduleOne();
      }
      this.#binder.flush();
      if (!more) return;
      await aside();
    }
  }

  /** Returns whether there may be more to do. */
  #scheduleOne(): boolean {
    if (this.#binder.full) return false;
    const queued = this.#queue.pop();
    if (!queued) return false;
    const { entry } = queued;
    const { metrics, clock } = this.#deps;
    const started = clock.monotonic();
    const kept = entry.reserved ? entry.node : undefined;
    if (kept) this.#index.forget(entry);
    const decision: Decision =
      kept && this.#decider.fits(entry.shape, kept) ? { node: kept, score: 0 } : this.#decider.decide(entry.shape);
    metrics?.decided(decision.node ? 'scheduled' : 'unschedulable', (clock.monotonic() - started) / 1000);
    if (decision.node) {
      this.#index.assume(entry, decision.node);
      this.#queue.placed(queued);
      this.#binder.place({ queued, node: decision.node.name });
    } else {
      this.#park(queued, decision.rejections, kept);
    }
    return true;
  }

  /** `kept`: the node that it preempted others on before. */
  #park(queued: QueuedPod, rejections: Rejections, kept: NodeInfo | undefined): void {
    const preemption = this.#preemptor?.preempt(queued, rejections, kept);
    if (preemption?.fits) {
      this.#queue.again(queued);
      return;
    }
    const message = unschedulableMessage(rejections.map(([, { reasons }]) => reasons)) + (preemption?.message ?? '');
    const repeated = queued.message === message;
    queued.message = message;
    this.#queue.park(queued, eventsThatHelp(this.#plugins, rejections));
    this.#status?.unschedulable(queued.pod, message, keptNode(queued.entry));
    this.#recorder?.event(queued.pod, 'Warning', 'FailedScheduling', message, {
      action: 'Scheduling',
      again: repeated,
    });
    if (!repeated) this.#log.debug({ key: queued.entry.key, rev: queued.pod.metadata.resourceVersion }, message);
  }

  #bound({ queued, node }: Placement): void {
    const { entry, pod } = queued;
    // Its name may be another pod's by now.
    if (this.#queue.get(entry.key) === queued) this.#unqueue(entry.key);
    // The informers show it where the index has it already: what waits for it to be there learns of it here.
    this.#queue.wake(podPlaced);
    this.#deps.metrics?.bound((this.#deps.clock.monotonic() - queued.since) / 1000);
    this.#recorder?.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${entry.key} to ${node}`, {
      action: 'Binding',
    });
  }

  #lost({ queued }: Placement, reason: string, message: string): void {
    const { entry, pod } = queued;
    if (reason === 'Conflict') this.#deps.metrics?.conflict();
    this.#log.debug({ key: entry.key, rev: pod.metadata.resourceVersion, reason, err: message }, 'not bound');
    this.#giveBack(entry);
    this.#queue.retry(queued);
  }

  #outdated({ queued }: Placement): void {
    this.#giveBack(queued.entry);
    this.#queue.again(queued);
  }

  /** Takes the assumption back, which makes room for others. */
  #giveBack(entry: PodInfo): void {
    if (!entry.assumed) return;
    this.#index.forget(entry);
    this.#queue.wake(roomFreed);
  }

  /** Takes in one batch of the informers: all of it, before anything is decided. */
  #apply(changes: readonly Change[]): void {
    const events = new Set<ClusterEvent>();
    const guards: NodeGuard[] = [];
    for (const { kind, key, before, after } of changes) {
      if (kind === 'Pod') this.#applyPod(key, before as Pod | undefined, after as Pod | undefined, events);
      else if (kind === 'Node') this.#applyNode(key, after as Node | undefined, events);
      else if (kind === 'NodeGuard' && after) guards.push(after as NodeGuard);
      else if (kind === 'NodeGuard') this.#binder.guardGone(key);
      else if (kind === 'PodDisruptionBudget' && after) this.#budgets.set(after as PodDisruptionBudget);
      else if (kind === 'PodDisruptionBudget') this.#budgets.remove(key);
      else if (kind === 'Namespace') this.#applyNamespace(key, after as Namespace | undefined, events);
    }
    // Last: with a guard's version goes that everything up to it has been taken in.
    for (const { metadata } of guards) this.#binder.guardSeen(metadata.name, Number(metadata.resourceVersion));
    if (events.size > 0) this.#queue.wake(events);
    this.#work.wake();
  }

  #applyNode(name: string, node: Node | undefined, events: Set<ClusterEvent>): void {
    if (node) {
      if (!this.#index.setNode(node)) return;
    } else {
      this.#index.removeNode(name);
    }
    this.#binder.nodeChanged(name);
    events.add('NodeChange');
  }

  #applyNamespace(name: string, namespace: Namespace | undefined, events: Set<ClusterEvent>): void {
    const changed = namespace ? this.#index.setNamespace(namespace) : this.#index.removeNamespace(name);
    if (changed) events.add('NamespaceChange');
  }

  #applyPod(key: string, before: Pod | undefined, after: Pod | undefined, events: Set<ClusterEvent>): void {
    const replaced = before !== undefined && after !== undefined && before.metadata.uid !== after.metadata.uid;
    if (before && (!after || replaced)) this.#removePod(key, events);
    if (!after) return;
    const known = this.#index.pod(key);
    const [shape, place, wasDeleting] = [known?.shape, known?.node, known?.deleting];
    const entry = this.#index.setPod(after);
    if (!entry) {
      if (place) events.add('AssignedPodDelete');
      this.#unqueue(key);
      return;
    }
    if (entry.node && (entry.shape !== shape || entry.node !== place)) events.add('AssignedPodAdd');
    if (entry.node && place && entry.shape !== shape) events.add('AssignedPodDelete');
    if (entry.node && entry.deleting && !wasDeleting) events.add('AssignedPodTerminating');
    this.#queuePod(entry, after, before, shape !== undefined && shape !== entry.shape);
  }

  /** Sees to it that the pod waits exactly when it wants a node from us. */
  #queuePod(entry: PodInfo, pod: Pod, before: Pod | undefined, reshaped: boolean): void {
    const wanted =
      !pod.spec.nodeName &&
      !entry.deleting &&
      !pod.spec.schedulingGates?.length &&
      (pod.spec.schedulerName ?? 'default-scheduler') === this.#name;
    const queued = this.#queue.get(entry.key);
    if (!wanted) {
      this.#unqueue(entry.key);
      return;
    }
    if (!queued) {
      if (entry.node) return;
      this.#keepPlace(entry, pod);
      this.#queue.add(entry, pod);
      return;
    }
    const kept = (!before || nominatedNode(before) !== nominatedNode(pod)) && this.#keepPlace(entry, pod);
    queued.pod = pod;
    // Somebody else's write came between. Where another scheduler has told it already, its words will do.
    const node = keptNode(entry);
    const told = podCondition(pod, 'PodScheduled')?.reason === 'Unschedulable' && nominatedNode(pod) === node;
    if (queued.state === 'parked' && queued.message && !told) this.#status?.unschedulable(pod, queued.message, node);
    if (reshaped || kept) this.#decideAgain(queued);
  }

  /** The pod may fit where it did not. One that is already on its way is left alone. */
  #decideAgain(queued: QueuedPod): void {
    const { entry } = queued;
    const node = entry.assumed && !entry.reserved ? entry.node?.name : undefined;
    if (node && this.#binder.withdraw(queued, node)) this.#outdated({ queued, node });
    else this.#queue.changed(queued);
  }

  /** A nomination by an earlier scheduler, or by others, keeps room as well, unless this one keeps it elsewhere. Returns whether it does now. */
  #keepPlace(entry: PodInfo, pod: Pod): boolean {
    const node = nominatedNode(pod);
    if (!node || entry.node) return false;
    this.#index.nominate(entry, node);
    return true;
  }

  #removePod(key: string, events: Set<ClusterEvent>): void {
    const entry = this.#index.pod(key);
    if (!entry) return;
    this.#unqueue(key);
    if (entry.node) events.add('AssignedPodDelete');
    this.#index.removePod(key);
  }

  #unqueue(key: string): void {
    const queued = this.#queue.get(key);
    if (!queued) return;
    const { entry } = queued;
    // One that is already on its way keeps its assumption until the answer is there.
    const withdrawn = entry.assumed && entry.node && this.#binder.withdraw(queued, entry.node.name);
    if (withdrawn || entry.reserved) this.#giveBack(entry);
    this.#queue.remove(key);
    this.#status?.cancel(key);
  }
}

const roomFreed: ReadonlySet<ClusterEvent> = new Set(['AssignedPodDelete']);
const podPlaced: ReadonlySet<ClusterEvent> = new Set(['AssignedPodAdd']);

/** The node on which room is kept for a pod. */
function keptNode({ reserved, node }: PodInfo): string | undefined {
  return reserved ? node?.name : undefined;
}

/** What the informers already hold, as changes. */
function present(informers: Informers): Change[] {
  if (informers.revision === 0) return [];
  const changes: Change[] = [];
  for (const kind of schedulerKinds) {
    for (const after of informers.of(kind).values()) {
      const { name, namespace } = after.metadata;
      changes.push({ kind, key: namespace ? `${namespace}/${name}` : name, after });
    }
  }
  return changes;
}
