import type { BindResult, Client } from '../../shared/client.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { QueuedPod } from './queue.ts';

/** A pod that is assumed on a node and whose binding is not stored yet. */
export interface Placement {
  readonly queued: QueuedPod;
  readonly node: string;
}

export interface BinderEvents {
  bound(placement: Placement): void;
  /** The binding was refused, or its result is unknown. */
  failed(placement: Placement, reason: string, message: string): void;
  /** The node has changed since the decision, and the binding was not sent. */
  stale(placement: Placement): void;
  /** A call has ended, or a pause is over: more may be sent. */
  settled(): void;
}

export interface BinderLimits {
  /** Bindings in one call. */
  readonly batch: number;
  /** Of these, on one node: what goes into one transaction of the store. */
  readonly perNode: number;
  /** Concurrent calls. */
  readonly calls: number;
  /** Placements that are not stored yet. */
  readonly inFlight: number;
}

export const defaultBinderLimits: BinderLimits = { batch: 256, perNode: 32, calls: 4, inFlight: 2_048 };

/** A call that takes longer counts as failed; the informer shows whether its bindings were stored. */
const callTimeoutMs = 15_000;
/** The longest pause of a node after conflicts, while the informer has not shown the newer guard. */
const conflictPauseMs = 50;
/** How long placements wait for the guard of a new node. */
const missingGuardMs = 5_000;

/**
 * Stores placements in few calls, several of them concurrently.
 *
 * A node is never overcommitted: a placement is sent with the version of the node's guard up to which the decision had seen everything that
 * takes room there. A node has one call at a time, and the next one is sent with the guard version that the last one returned: in between
 * there are only this scheduler's own placements, which the decision knew. When the informer shows a newer guard, another writer has taken
 * room, and what was decided and not sent is stale.
 */
export class Binder {
  readonly #client: Pick<Client, 'bind'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: BinderEvents;
  readonly #limits: BinderLimits;
  readonly #nodes = new Map<string, NodePlacements>();
  /** Those with placements that may be sent now. */
  readonly #ready = new Set<NodePlacements>();
  readonly #calls = new Set<Promise<void>>();
  #inFlight = 0;

  constructor(
    deps: { client: Pick<Client, 'bind'>; clock: Clock; log: Log },
    events: BinderEvents,
    limits: BinderLimits = defaultBinderLimits,
  ) {
    this.#client = deps.client;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#events = events;
    this.#limits = limits;
  }

  get full(): boolean {
    return this.#inFlight >= this.#limits.inFlight;
  }

  /** Placements that are not stored yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes the placement; `flush` sends it. */
  enqueue(placement: Placement): void {
    const target = this.#placementsOf(placement.node);
    target.waiting.add(placement);
    this.#inFlight++;
    if (target.guard === 0 && !target.pause) this.#pause(target, missingGuardMs);
    this.#markReady(target);
  }

  /** The informers have delivered this version of the node's guard and everything before it. */
  guardSeen(node: string, version: number): void {
    const target = this.#placementsOf(node);
    target.seenGuard = Math.max(target.seenGuard, version);
    if (!target.busy) this.#catchUp(target);
  }

  /** The node has changed or is deleted: its unsent placements are stale. */
  nodeChanged(node: string): void {
    const target = this.#nodes.get(node);
    if (target) this.#dropUnsent(target);
  }

  /** The node and its guard are deleted. */
  guardDeleted(node: string): void {
    const target = this.#nodes.get(node);
    if (!target) return;
    target.deleted = true;
    this.#dropUnsent(target);
    this.#dropIfIdle(target);
  }

  /** Removes the pod's placement if it has not been sent; returns whether it did. */
  withdraw(queued: QueuedPod, node: string): boolean {
    const target = this.#nodes.get(node);
    for (const placement of target?.waiting ?? []) {
      if (placement.queued !== queued) continue;
      target?.waiting.delete(placement);
      this.#inFlight--;
      return true;
    }
    return false;
  }

  /** Sends the placements that may be sent now. */
  flush(): void {
    while (this.#calls.size < this.#limits.calls) {
      const batch = this.#collect();
      if (batch.length === 0) return;
      const call = this.#send(batch).finally(() => {
        this.#calls.delete(call);
        this.#events.settled();
      });
      this.#calls.add(call);
    }
  }

  /** Resolves when no call is in flight. */
  async idle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  close(): void {
    for (const target of this.#nodes.values()) target.pause?.cancel();
    this.#nodes.clear();
    this.#ready.clear();
  }

  #collect(): Share[] {
    const batch: Share[] = [];
    let count = 0;
    for (const target of this.#ready) {
      const most = Math.min(this.#limits.perNode, this.#limits.batch - count);
      if (most === 0) break;
      const placements: Placement[] = [];
      for (const placement of target.waiting) {
        if (placements.length >= most) break;
        placements.push(placement);
        target.waiting.delete(placement);
      }
      this.#ready.delete(target);
      target.busy = true;
      batch.push({ target, placements });
      count += placements.length;
    }
    return batch;
  }

  async #send(batch: readonly Share[]): Promise<void> {
    const placements = batch.flatMap((share) => share.placements);
    const bindings = batch.flatMap(({ target, placements }) =>
      placements.map(({ queued: { pod }, node }) => ({
        namespace: pod.metadata.namespace ?? '',
        name: pod.metadata.name,
        uid: pod.metadata.uid,
        resourceVersion: pod.metadata.resourceVersion,
        node,
        guardVersion: String(target.guard),
      })),
    );
    let results: BindResult[];
    try {
      results = await this.#withDeadline(this.#client.bind(bindings));
    } catch (error) {
      const reason = error instanceof ApiError ? error.reason : 'InternalError';
      this.#log.warn({ pods: bindings.length, err: messageOf(error) }, 'binding failed');
      results = bindings.map(() => ({ ok: false, reason, message: messageOf(error) }));
    }
    this.#inFlight -= placements.length;
    let at = 0;
    for (const { target, placements } of batch) {
      this.#settle(target, placements, results.slice(at, at + placements.length));
      at += placements.length;
    }
  }

  #settle(target: NodePlacements, placements: readonly Placement[], results: readonly BindResult[]): void {
    target.busy = false;
    let conflicts = 0;
    let newest = 0;
    for (const [at, placement] of placements.entries()) {
      const result = results[at] ?? { ok: false, reason: 'InternalError', message: 'the binding has no result' };
      if (result.ok) {
        newest = Math.max(newest, Number(result.guardVersion));
        this.#events.bound(placement);
      } else {
        if (result.reason === 'Conflict') conflicts++;
        this.#events.failed(placement, result.reason, result.message);
      }
    }
    const before = target.guard;
    target.guard = Math.max(target.guard, newest);
    this.#catchUp(target);
    // All failed and no newer guard has been seen: until it is, further calls would fail too.
    if (conflicts === placements.length && target.guard === before && !target.pause)
      this.#pause(target, conflictPauseMs);
    this.#markReady(target);
    this.#dropIfIdle(target);
  }

  /** A guard that is newer than the one that our last call returned was written by another. */
  #catchUp(target: NodePlacements): void {
    if (target.seenGuard <= target.guard) return;
    const first = target.guard === 0;
    target.guard = target.seenGuard;
    target.pause?.cancel();
    target.pause = undefined;
    if (!first) this.#dropUnsent(target);
    this.#markReady(target);
  }

  #dropUnsent(target: NodePlacements): void {
    const stale = [...target.waiting];
    target.waiting.clear();
    this.#ready.delete(target);
    this.#inFlight -= stale.length;
    for (const placement of stale) this.#events.stale(placement);
  }

  #pause(target: NodePlacements, ms: number): void {
    target.pause = this.#clock.timer(ms, () => {
      target.pause = undefined;
      if (target.guard > 0) {
        this.#markReady(target);
      } else {
        const failed = [...target.waiting];
        target.waiting.clear();
        this.#inFlight -= failed.length;
        for (const placement of failed) this.#events.failed(placement, 'NotFound', 'the node has no guard');
      }
      this.#events.settled();
    });
    this.#ready.delete(target);
  }

  #markReady(target: NodePlacements): void {
    if (target.waiting.size > 0 && !target.busy && !target.pause && target.guard > 0) this.#ready.add(target);
  }

  #placementsOf(node: string): NodePlacements {
    let target = this.#nodes.get(node);
    if (!target) {
      target = { node, guard: 0, seenGuard: 0, waiting: new Set(), busy: false, pause: undefined, deleted: false };
      this.#nodes.set(node, target);
    }
    target.deleted = false;
    return target;
  }

  #dropIfIdle(target: NodePlacements): void {
    if (!target.deleted || target.busy || target.waiting.size > 0) return;
    target.pause?.cancel();
    this.#nodes.delete(target.node);
  }

  #withDeadline<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(callTimeoutMs, () =>
        reject(new ApiError('Timeout', `no answer within ${callTimeoutMs} ms`)),
      );
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** The part of one call that is for one node. */
interface Share {
  readonly target: NodePlacements;
  readonly placements: readonly Placement[];
}

/** The placements on one node, and the versions of its guard; 0: none seen. */
interface NodePlacements {
  readonly node: string;
  /** The version up to which decisions have seen all that takes room on the node. */
  guard: number;
  /** The newest version that the informers have delivered. */
  seenGuard: number;
  /** Not sent yet. */
  readonly waiting: Set<Placement>;
  /** A call for this node is in flight. */
  busy: boolean;
  /** Nothing is sent while it runs. */
  pause: Timer | undefined;
  /** The node no longer exists. */
  deleted: boolean;
}
