import { backoffMs } from '../../shared/backoff.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Random } from '../../shared/random.ts';
import type { PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import type { PodShape } from '../../shared/scheduling/pod-shape.ts';
import { PodHeap } from './pod-heap.ts';

/** A pod that waits for a node. */
export interface QueuedPod {
  readonly entry: PodInfo;
  /** As last seen. */
  pod: Pod;
  /** Failed tries in a row that were nobody's fault but time's: lost races, an API that was away. */
  attempts: number;
  readonly since: number;
  state: 'active' | 'deciding' | 'backoff' | 'parked';
  /** The sentence of its last decision, when it fitted nowhere. */
  message?: string;
  timer?: Timer;
  /** Those of its shape that it waits with, or is tried for. */
  group?: Group;
}

/** How soon a pod whose placement could not be stored is decided again. */
const retry = { firstMs: 5, capMs: 5_000 };
/** How often at most pods of one shape that fit nowhere are tried, however often the cluster changes. */
const parkedRetry = { firstMs: 20, capMs: 2_000 };
/** Tried even when nothing has been seen to change. */
const leftoverMs = 60_000;

/**
 * Pods on their way to a node:
 *
 *     add ──▶ active ──pop──▶ deciding ──placed──▶ (gone)
 *               ▲  ▲             │ │
 *               │  └── backoff ◀─┘ └─▶ parked: by shape, until something relevant changes
 *               └──────────────────────────┘
 *
 * Of the parked pods of one shape the first is tried alone: only when it has found its place the next one is. Pods for
 * which room is kept are tried each by itself: what they wait for is theirs alone.
 */
export class SchedulingQueue {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onActive: () => void;
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active = new PodHeap();
  readonly #groups = new Map<GroupKey, Group>();

  /** `onActive` is called when a pod becomes ready to be popped. */
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

  add(entry: PodInfo, pod: Pod): QueuedPod {
    const queued: QueuedPod = { entry, pod, attempts: 0, since: this.#clock.monotonic(), state: 'active' };
    this.#pods.set(entry.key, queued);
    this.#activate(queued);
    return queued;
  }

  /** Gone, bound, or not ours any more. */
  remove(key: string): void {
    const queued = this.#pods.get(key);
    if (!queued) return;
    this.#pods.delete(key);
    this.#leave(queued);
  }

  /** The pod has changed in a way that may let it fit where it did not. */
  changed(queued: QueuedPod): void {
    if (queued.state === 'deciding') return;
    this.#leave(queued);
    this.#activate(queued);
  }

  /** The most important pod, of those the one that waits longest. It is the caller's until it comes back or is removed. */
  pop(): QueuedPod | undefined {
    const queued = this.#active.pop();
    if (queued) queued.state = 'deciding';
    return queued;
  }

  /** It was decided on something that has changed since: it is decided again at once. */
  again(queued: QueuedPod): void {
    if (this.#pods.get(queued.entry.key) === queued) this.#activate(queued);
  }

  /** Its placement could not be stored: it comes back after a backoff. */
  retry(queued: QueuedPod): void {
    if (this.#pods.get(queued.entry.key) !== queued) return;
    queued.state = 'backoff';
    queued.timer = this.#clock.timer(backoffMs(queued.attempts++, retry, this.#random), () => {
      queued.timer = undefined;
      this.#activate(queued);
    });
  }

  /** It fits nowhere: it waits for one of `events`. */
  park(queued: QueuedPod, events: ReadonlySet<ClusterEvent>): void {
    if (this.#pods.get(queued.entry.key) !== queued) return;
    const key = queued.entry.reserved ? queued.entry : queued.entry.shape;
    let group = this.#groups.get(key);
    if (!group) {
      group = { key, pods: new PodHeap(), events, tries: 0, notBefore: 0, woken: false, trying: undefined };
      this.#groups.set(key, group);
    }
    if (queued.group !== group) this.#leave(queued);
    const tried = group.trying === queued;
    if (tried) group.trying = undefined;
    queued.state = 'parked';
    queued.group = group;
    group.pods.push(queued);
    group.events = events;
    const now = this.#clock.monotonic();
    if (tried || group.notBefore <= now) {
      group.notBefore = now + backoffMs(group.tries++, parkedRetry, this.#random);
    }
    if (tried || !group.timer) this.#plan(group);
  }

  /** A pod has been placed: if others of its shape wait, the next may fit as well. */
  placed(queued: QueuedPod): void {
    const tried = queued.group;
    queued.group = undefined;
    if (tried) {
      tried.trying = undefined;
      this.#dropIfEmpty(tried);
    }
    const group = this.#groups.get(queued.entry.shape);
    if (!group || group.trying) return;
    group.tries = 0;
    this.#tryFirst(group);
    this.#dropIfEmpty(group);
  }

  /** Something happened: the shapes that waited for it are tried, each as soon as its backoff allows. */
  wake(events: ReadonlySet<ClusterEvent>): void {
    for (const group of this.#groups.values()) {
      let relevant = false;
      for (const one of events) if (group.events.has(one)) relevant = true;
      if (!relevant || group.woken) continue;
      group.woken = true;
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

  /** Takes it out of wherever it waits. */
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

  /** Sees to it that the group's first pod is tried when it may be. */
  #plan(group: Group): void {
    group.timer?.cancel();
    group.timer = undefined;
    if (group.trying || group.pods.size === 0) return;
    const wait = group.woken ? group.notBefore - this.#clock.monotonic() : leftoverMs;
    if (wait <= 0) this.#tryFirst(group);
    else group.timer = this.#clock.timer(wait, () => this.#tryFirst(group));
  }

  #tryFirst(group: Group): void {
    group.timer?.cancel();
    group.timer = undefined;
    group.woken = false;
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

/** Pods of one shape fit where any of them does, but one for which room is kept: it has a group of its own. */
type GroupKey = PodShape | PodInfo;

/** The parked pods of one shape, or one for which room is kept. */
export interface Group {
  readonly key: GroupKey;
  readonly pods: PodHeap;
  events: ReadonlySet<ClusterEvent>;
  tries: number;
  notBefore: number;
  /** Something relevant has happened since the last try. */
  woken: boolean;
  /** The one that is being tried for all. */
  trying: QueuedPod | undefined;
  timer?: Timer;
}
