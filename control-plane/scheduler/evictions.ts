import { type BackoffOptions, backoffMs } from '../../shared/backoff.ts';
import type { Client } from '../../shared/client.ts';
import { type Clock, formatTime } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { isPreempted } from '../../shared/pod.ts';
import type { Random } from '../../shared/random.ts';

/** Evictions that may wait; beyond it the pod that wants the room asks again later. */
const mostWaiting = 1_000;
/** Refusals that are remembered. */
const mostRefused = 10_000;
/** Tries while the API is away. */
const maxAttempts = 5;
const retry: BackoffOptions = { firstMs: 100, capMs: 5_000 };
/** How long a pod whose eviction was refused is no victim. */
const refusal: BackoffOptions = { firstMs: 5_000, capMs: 300_000 };

export interface EvictionDeps {
  readonly client: Pick<Client, 'delete' | 'patch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly recorder: EventRecorder;
  readonly log: Log;
  /** The pod as it now is. */
  podOf(key: string): Pod | undefined;
  /** Whether the pod still waits for room on the node. */
  waits(by: Pod, node: string): boolean;
  /** A victim stays after all: who wanted its room has to look for another. */
  refused(by: Pod): void;
}

/** Evicts preempted pods, one after another, behind the scheduler's back, and remembers which could not be. */
export class Evictions {
  readonly #deps: EvictionDeps;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, { uid: string; by: Pod; node: string }>();
  /** By uid. Times are the clock's monotonic ones, in milliseconds. */
  readonly #refused = new Map<string, { until: number; times: number }>();
  #running = false;

  constructor(deps: EvictionDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  evict(key: string, by: Pod, node: string): void {
    const uid = this.#deps.podOf(key)?.metadata.uid;
    if (uid === undefined || this.#waiting.size >= mostWaiting) return;
    this.#waiting.set(key, { uid, by, node });
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Whether it is about to be evicted. */
  has(key: string): boolean {
    return this.#waiting.has(key);
  }

  /** The pods that are about to be evicted. */
  keys(): Iterable<string> {
    return this.#waiting.keys();
  }

  isRefused(uid: string): boolean {
    const refused = this.#refused.get(uid);
    return refused !== undefined && refused.until > this.#deps.clock.monotonic();
  }

  async #run(): Promise<void> {
    const { log, refused } = this.#deps;
    try {
      // Yields first: who decides has to keep the room before it is asked whether it waits.
      await Promise.resolve();
      for (;;) {
        const [next] = this.#waiting;
        if (!next || this.#signal.aborted) return;
        const [key, { uid, by, node }] = next;
        const done = await this.#evictOne(key, uid, by, node);
        // Meanwhile another pod may have come to want the same room: its wish stays.
        if (this.#waiting.get(key) === next[1]) this.#waiting.delete(key);
        if (done) continue;
        this.#remember(uid);
        refused(by);
      }
    } catch (error) {
      if (!this.#signal.aborted) log.error({ err: messageOf(error) }, 'evictions ended');
    } finally {
      this.#running = false;
    }
  }

  /** Returns whether there is nothing left to do. What was decided on is looked at again before each try. */
  async #evictOne(key: string, uid: string, by: Pod, node: string): Promise<boolean> {
    const { clock, random, log, podOf, waits } = this.#deps;
    for (let attempt = 0; ; attempt++) {
      const pod = podOf(key);
      if (!pod || pod.metadata.uid !== uid || pod.metadata.deletionTimestamp) return true;
      if (pod.spec.nodeName !== node || !waits(by, node)) return true;
      try {
        await this.#preempt(pod, by, node);
        return true;
      } catch (error) {
        if (isApiError(error, 'NotFound')) return true;
        log.warn({ key, err: messageOf(error) }, 'could not evict a preempted pod');
        const away = isApiError(error, 'ServiceUnavailable', 'Timeout');
        if (!away || attempt + 1 >= maxAttempts) return false;
        await clock.sleep(backoffMs(attempt, retry, random), this.#signal);
      }
    }
  }

  /** Marks the pod and deletes it, as Kubernetes' scheduler does: its budgets were part of the choice. */
  async #preempt(pod: Pod, by: Pod, node: string): Promise<void> {
    const { client, clock, recorder, log } = this.#deps;
    const { name, namespace, uid } = pod.metadata;
    if (!isPreempted(pod)) {
      const condition = {
        ...{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' },
        message: `${by.spec.schedulerName}: preempting to accommodate a higher priority pod`,
        lastTransitionTime: formatTime(clock.now()),
      };
      const body = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch('Pod', name, { type: 'strategic', body }, { namespace, subresource: 'status' });
    }
    await client.delete('Pod', name, { namespace, preconditions: { uid } });
    log.info({ key: keyOf(pod), rev: pod.metadata.resourceVersion, by: keyOf(by) }, 'preempted');
    recorder.event(pod, 'Normal', 'Preempted', `Preempted by pod ${by.metadata.uid} on node ${node}`, {
      action: 'Preempting',
      related: by,
    });
  }

  #remember(uid: string): void {
    const { clock, random } = this.#deps;
    const times = this.#refused.get(uid)?.times ?? 0;
    this.#refused.delete(uid);
    this.#refused.set(uid, { until: clock.monotonic() + backoffMs(times, refusal, random), times: times + 1 });
    for (const oldest of this.#refused.keys()) {
      if (this.#refused.size <= mostRefused) return;
      this.#refused.delete(oldest);
    }
  }
}
