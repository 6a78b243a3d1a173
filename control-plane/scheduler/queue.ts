import { backoffMs } from '../../shared/backoff.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Random } from '../../shared/random.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import type { PodShape } from '../../shared/scheduling/pod-shape.ts';
import { PodHeap } from './pod-heap.ts';

/** A pod that has no node yet. */
export interface QueuedPod {
  readonly info: PodInfo;
  /** The newest version. */
  pod: Pod;
  /** Failed bindings in a row: conflicts, or an API that did not answer. */
  attempts: number;
  /** When it was added, by the monotonic clock in milliseconds. */
  readonly since: number;
  state: 'active' | 'in-flight' | 'backoff' | 'unschedulable';
  /** The message of its last scheduling cycle, when it was unschedulable. */
  message?: string;
  timer?: Timer;
  /** The group that it waits in, or is tried for. */
  group?: Group;
}

/** The backoff of a pod whose binding failed. */
const bindingBackoff = { firstMs: 5, capMs: 5_000 };
/** The least time between two tries of an unschedulable group, whatever the number of events. */
const unschedulableBackoff = { firstMs: 20, capMs: 2_000 };
/** An unschedulable group is tried after this time even without an event (kube-scheduler: 5 minutes). */
const unschedulableTimeoutMs = 60_000;

/**
 * The pods that wait for a node, as in kube-scheduler's `SchedulingQueue`:
 *
 *     add ──▶ active queue ──pop──▶ in flight ──scheduled──▶ (removed)
 *               ▲  ▲                  │ │
 *               │  └─ backoff queue ◀─┘ └─▶ unschedulable pods, grouped by shape
 *               └── an event that helps, or a timeout ──┘
 *
 * Of a group only the first pod is tried; the next one is when the first has been scheduled. A nominated pod is a group of its own, since
 * it waits for its victims.
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onActive: () => void;
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active = new PodHeap<QueuedPod>();
  readonly #groups = new Map<GroupKey, Group>();

  /** `onActive` is called when a pod enters the active queue. */
  constructor(deps: { clock: Clock; random: Random }, onActive: () => void) {
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#onActive = onActive;
  }

  get size(): number {
    return this.#pods.size;
  }

  get(key: string): QueuedPod | undefined {
    return this.#pods.get(key);
  }

  values(): IterableIterator<QueuedPod> {
    return this.#pods.values();
  }

  add(info: PodInfo, pod: Pod): QueuedPod {
    const queued: QueuedPod = { info, pod, attempts: 0, since: this.#clock.monotonic(), state: 'active' };
    this.#pods.set(info.key, queued);
    this.#activate(queued);
    return queued;
  }

  /** The pod is deleted, bound, or no longer this scheduler's. */
  remove(key: string): void {
    const queued = this.#pods.get(key);
    if (!queued) return;
    this.#pods.delete(key);
    this.#leave(queued);
  }

  /** The pod has changed so that it may fit now. One in flight stays there. */
  activate(queued: QueuedPod): void {
    if (queued.state === 'in-flight') return;
    this.#leave(queued);
    this.#activate(queued);
  }

  /** The pod of the highest priority, of those the oldest. It is in flight until it comes back or is removed. */
  pop(): QueuedPod | undefined {
    const queued = this.#active.pop();
    if (queued) queued.state = 'in-flight';
    return queued;
  }

  /** Its scheduling decision is stale: it is decided again at once. */
  requeue(queued: QueuedPod): void {
    if (this.#pods.get(queued.info.key) === queued) this.#activate(queued);
  }

  /** Its binding failed: it becomes active after a backoff. */
  addBackoff(queued: QueuedPod): void {
    if (this.#pods.get(queued.info.key) !== queued) return;
    queued.state = 'backoff';
    queued.timer = this.#clock.timer(backoffMs(queued.attempts++, bindingBackoff, this.#random), () => {
      queued.timer = undefined;
      this.#activate(queued);
    });
  }

  /** It fits on no node: it waits for one of `events`. */
  addUnschedulable(queued: QueuedPod, events: ReadonlySet<ClusterEvent>): void {
    if (this.#pods.get(queued.info.key) !== queued) return;
    const key = queued.info.nominated ? queued.info : queued.info.shape;
    let group = this.#groups.get(key);
    if (!group) {
      group = { key, pods: new PodHeap(), events, tries: 0, notBefore: 0, eventSeen: false, trying: undefined };
      this.#groups.set(key, group);
    }
    if (queued.group !== group) this.#leave(queued);
    const tried = group.trying === queued;
    if (tried) group.trying = undefined;
    queued.state = 'unschedulable';
    queued.group = group;
    group.pods.push(queued);
    group.events = events;
    const now = this.#clock.monotonic();
    if (tried || group.notBefore <= now) {
      group.notBefore = now + backoffMs(group.tries++, unschedulableBackoff, this.#random);
    }
    if (tried || !group.timer) this.#plan(group);
  }

  /** The pod has been assumed on a node: if other pods of its shape are unschedulable, the next may fit as well. */
  scheduled(queued: QueuedPod): void {
    const tried = queued.group;
    queued.group = undefined;
    if (tried) {
      tried.trying = undefined;
      this.#dropIfEmpty(tried);
    }
    const group = this.#groups.get(queued.info.shape);
    if (!group || group.trying) return;
    group.tries = 0;
    this.#tryFirst(group);
    this.#dropIfEmpty(group);
  }

  /** The groups that wait for one of `events` are tried, each as soon as its backoff allows. */
  onEvents(events: ReadonlySet<ClusterEvent>): void {
    for (const group of this.#groups.values()) {
      let relevant = false;
      for (const event of events) if (group.events.has(event)) relevant = true;
      if (!relevant || group.eventSeen) continue;
      group.eventSeen = true;
      this.#plan(group);
    }
  }

  close(): void {
    for (const queued of this.#pods.values()) queued.timer?.cancel();
    for (const group of this.#groups.values()) group.timer?.cancel();
    this.#pods.clear();
    this.#groups.clear();
    this.#active.clear();
  }

  #activate(queued: QueuedPod): void {
    queued.state = 'active';
    this.#active.push(queued);
    this.#onActive();
  }

  /** Removes it from the queue or group that it is in. */
  #leave(queued: QueuedPod): void {
    queued.timer?.cancel();
    queued.timer = undefined;
    this.#active.remove(queued);
    const { group } = queued;
    queued.group = undefined;
    if (!group) return;
    group.pods.remove(queued);
    if (group.trying === queued) {
      group.trying = undefined;
      this.#plan(group);
    }
    this.#dropIfEmpty(group);
  }

  /** Sets the time of the group's next try. */
  #plan(group: Group): void {
    group.timer?.cancel();
    group.timer = undefined;
    if (group.trying || group.pods.size === 0) return;
    const wait = group.eventSeen ? group.notBefore - this.#clock.monotonic() : unschedulableTimeoutMs;
    if (wait <= 0) this.#tryFirst(group);
    else group.timer = this.#clock.timer(wait, () => this.#tryFirst(group));
  }

  #tryFirst(group: Group): void {
    group.timer?.cancel();
    group.timer = undefined;
    group.eventSeen = false;
    const first = group.pods.pop();
    if (!first) return;
    group.trying = first;
    this.#activate(first);
  }

  #dropIfEmpty(group: Group): void {
    if (group.pods.size > 0 || group.trying) return;
    group.timer?.cancel();
    this.#groups.delete(group.key);
  }
}

/** A shape, or one nominated pod. */
type GroupKey = PodShape | PodInfo;

/** Unschedulable pods that wait for the same events. */
interface Group {
  readonly key: GroupKey;
  readonly pods: PodHeap<QueuedPod>;
  events: ReadonlySet<ClusterEvent>;
  tries: number;
  /** By the monotonic clock in milliseconds. */
  notBefore: number;
  /** One of `events` has happened since the last try. */
  eventSeen: boolean;
  /** The pod that is tried for all. */
  trying: QueuedPod | undefined;
  timer?: Timer;
}
