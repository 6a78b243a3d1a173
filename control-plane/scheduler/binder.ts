import type { BindResult, Client } from '../../shared/client.ts';
import type { Clock, Timer } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { QueuedPod } from './queue.ts';

/** A pod on its way to be stored on a node. */
export interface Placement {
  readonly queued: QueuedPod;
  readonly node: string;
}

export interface BinderEvents {
  /** Stored. */
  bound(placement: Placement): void;
  /** Not stored, or not known to be: the pod must be decided again after a while. */
  lost(placement: Placement, reason: string, message: string): void;
  /** The node has changed since the decision, before it was sent: it must be decided again. */
  outdated(placement: Placement): void;
  /** A call came back; there may be room for more. */
  settled(): void;
}

export interface BinderLimits {
  /** Bindings in one call. */
  readonly batch: number;
  /** Of these, on one node: what goes into one transaction of the store. */
  readonly perNode: number;
  /** Calls at the same time. */
  readonly calls: number;
  /** Placements on their way before no more are taken. */
  readonly underway: number;
}

export const defaultBinderLimits: BinderLimits = { batch: 256, perNode: 32, calls: 4, underway: 2_048 };

/** A call that takes longer counts as failed; whether it was stored is then for the informer to tell. */
const callMs = 15_000;
/** How long a node whose guard has moved on without our having seen it is left alone, at most. */
const staleMs = 50;
/** How long placements wait for the guard of a new node to be seen. */
const guardlessMs = 5_000;

/**
 * Stores placements, in few calls, several under way at a time.
 *
 * The rule that keeps a node from being overcommitted: a placement is sent with a guard version up to which the
 * decision had seen everything that was taken from the node. For one node only one call is under way at a time, and the
 * guard version that it gives is what the next one is sent with: between the two there was nothing but our own
 * placements, and those the decision knew. When somebody else has taken from the node, the informer shows a guard that is
 * newer than ours: what was decided and not yet sent is then outdated.
 */
export class Binder {
  readonly #client: Pick<Client, 'bind'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: BinderEvents;
  readonly #limits: BinderLimits;
  readonly #gates = new Map<string, Gate>();
  /** Gates that have something to send and may. */
  readonly #ready = new Set<Gate>();
  readonly #calls = new Set<Promise<void>>();
  #underway = 0;

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
    return this.#underway >= this.#limits.underway;
  }

  /** Placements decided on and not yet stored. */
  get underway(): number {
    return this.#underway;
  }

  place(placement: Placement): void {
    const gate = this.#gate(placement.node);
    gate.waiting.add(placement);
    this.#underway++;
    if (gate.guard === 0 && !gate.hold) this.#hold(gate, guardlessMs);
    this.#mark(gate);
  }

  /** The informer shows this version of the node's guard, and everything up to it. */
  guardSeen(node: string, version: number): void {
    const gate = this.#gate(node);
    gate.seen = Math.max(gate.seen, version);
    if (!gate.busy) this.#catchUp(gate);
  }

  /** The node changed in a way that the decisions for it did not see, or is gone. */
  nodeChanged(node: string): void {
    const gate = this.#gates.get(node);
    if (gate) this.#outdate(gate);
  }

  /** The node and its guard are gone. */
  guardGone(node: string): void {
    const gate = this.#gates.get(node);
    if (!gate) return;
    gate.gone = true;
    this.#outdate(gate);
    this.#dropIfIdle(gate);
  }

  /** Takes back a placement that has not been sent yet; returns whether it could. */
  withdraw(queued: QueuedPod, node: string): boolean {
    const gate = this.#gates.get(node);
    for (const placement of gate?.waiting ?? []) {
      if (placement.queued !== queued) continue;
      gate?.waiting.delete(placement);
      this.#underway--;
      return true;
    }
    return false;
  }

  /** Sends what may be sent. */
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

  /** Resolves when no call is under way. */
  async idle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.all(this.#calls);
  }

  close(): void {
    for (const gate of this.#gates.values()) gate.hold?.cancel();
    this.#gates.clear();
    this.#ready.clear();
  }

  #collect(): Share[] {
    const batch: Share[] = [];
    let count = 0;
    for (const gate of this.#ready) {
      const most = Math.min(this.#limits.perNode, this.#limits.batch - count);
      if (most === 0) break;
      const placements: Placement[] = [];
      for (const placement of gate.waiting) {
        if (placements.length >= most) break;
        placements.push(placement);
        gate.waiting.delete(placement);
      }
      this.#ready.delete(gate);
      gate.busy = true;
      batch.push({ gate, placements });
      count += placements.length;
    }
    return batch;
  }

  async #send(batch: readonly Share[]): Promise<void> {
    const placements = batch.flatMap((share) => share.placements);
    const bindings = batch.flatMap(({ gate, placements }) =>
      placements.map(({ queued: { pod }, node }) => ({
        namespace: pod.metadata.namespace ?? '',
        name: pod.metadata.name,
        uid: pod.metadata.uid,
        resourceVersion: pod.metadata.resourceVersion,
        node,
        guardVersion: String(gate.guard),
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
    this.#underway -= placements.length;
    let at = 0;
    for (const { gate, placements } of batch) {
      this.#settle(gate, placements, results.slice(at, at + placements.length));
      at += placements.length;
    }
  }

  #settle(gate: Gate, placements: readonly Placement[], results: readonly BindResult[]): void {
    gate.busy = false;
    let conflicts = 0;
    let chained = 0;
    for (const [at, placement] of placements.entries()) {
      const result = results[at] ?? { ok: false, reason: 'InternalError', message: 'the binding has no result' };
      if (result.ok) {
        chained = Math.max(chained, Number(result.guardVersion));
        this.#events.bound(placement);
      } else {
        if (result.reason === 'Conflict') conflicts++;
        this.#events.lost(placement, result.reason, result.message);
      }
    }
    const before = gate.guard;
    gate.guard = Math.max(gate.guard, chained);
    this.#catchUp(gate);
    // Nothing got through and no newer guard is known: until it is, more of the same would fail too.
    if (conflicts === placements.length && gate.guard === before && !gate.hold) this.#hold(gate, staleMs);
    this.#mark(gate);
    this.#dropIfIdle(gate);
  }

  /** Somebody else has taken from the node when the guard that was seen is newer than what we left it at. */
  #catchUp(gate: Gate): void {
    if (gate.seen <= gate.guard) return;
    const first = gate.guard === 0;
    gate.guard = gate.seen;
    gate.hold?.cancel();
    gate.hold = undefined;
    if (!first) this.#outdate(gate);
    this.#mark(gate);
  }

  #outdate(gate: Gate): void {
    const outdated = [...gate.waiting];
    gate.waiting.clear();
    this.#ready.delete(gate);
    this.#underway -= outdated.length;
    for (const placement of outdated) this.#events.outdated(placement);
  }

  #hold(gate: Gate, ms: number): void {
    gate.hold = this.#clock.timer(ms, () => {
      gate.hold = undefined;
      if (gate.guard > 0) {
        this.#mark(gate);
      } else {
        const lost = [...gate.waiting];
        gate.waiting.clear();
        this.#underway -= lost.length;
        for (const placement of lost) this.#events.lost(placement, 'NotFound', 'the node has no guard');
      }
      this.#events.settled();
    });
    this.#ready.delete(gate);
  }

  #mark(gate: Gate): void {
    if (gate.waiting.size > 0 && !gate.busy && !gate.hold && gate.guard > 0) this.#ready.add(gate);
  }

  #gate(node: string): Gate {
    let gate = this.#gates.get(node);
    if (!gate) {
      gate = { node, guard: 0, seen: 0, waiting: new Set(), busy: false, hold: undefined, gone: false };
      this.#gates.set(node, gate);
    }
    gate.gone = false;
    return gate;
  }

  #dropIfIdle(gate: Gate): void {
    if (!gate.gone || gate.busy || gate.waiting.size > 0) return;
    gate.hold?.cancel();
    this.#gates.delete(gate.node);
  }

  #withDeadline<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.timer(callMs, () => reject(new ApiError('Timeout', `no answer within ${callMs} ms`)));
      work.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

/** What one call does for one node. */
interface Share {
  readonly gate: Gate;
  readonly placements: readonly Placement[];
}

/** The way to one node. Versions are revisions of its guard; 0: none known. */
interface Gate {
  readonly node: string;
  /** The version up to which decisions have seen everything that was taken. */
  guard: number;
  /** The newest one that the informer has shown. */
  seen: number;
  readonly waiting: Set<Placement>;
  /** A call for this node is under way. */
  busy: boolean;
  /** Nothing is sent while this runs. */
  hold: Timer | undefined;
  gone: boolean;
}
