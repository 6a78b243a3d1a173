import { backoffMs } from '../../shared/backoff.ts';
import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { EventRecorder } from '../../shared/event-recorder.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import type { Random } from '../../shared/random.ts';

/** Evictions that may wait; beyond it the pod that wants the room asks again later. */
const mostWaiting = 1_000;
const maxAttempts = 5;
const retry = { firstMs: 100, capMs: 5_000 };

export interface EvictionDeps {
  readonly client: Pick<Client, 'evict'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly recorder: EventRecorder;
  readonly log: Log;
  /** The pod as it now is. */
  podOf(key: string): Pod | undefined;
}

/** Evicts preempted pods, one after another, behind the scheduler's back. */
export class Evictions {
  readonly #deps: EvictionDeps;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, { uid: string; by: Pod; node: string }>();
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

  async #run(): Promise<void> {
    const { log } = this.#deps;
    try {
      for (;;) {
        const [next] = this.#waiting;
        if (!next || this.#signal.aborted) return;
        const [key, { uid, by, node }] = next;
        await this.#evictOne(key, uid, by, node);
        this.#waiting.delete(key);
      }
    } catch (error) {
      if (!this.#signal.aborted) log.error({ err: messageOf(error) }, 'evictions ended');
    } finally {
      this.#running = false;
    }
  }

  async #evictOne(key: string, uid: string, by: Pod, node: string): Promise<void> {
    const { client, clock, random, recorder, log, podOf } = this.#deps;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const pod = podOf(key);
      if (!pod || pod.metadata.uid !== uid || pod.metadata.deletionTimestamp) return;
      try {
        await client.evict(pod, { preconditions: { uid } });
        log.info({ key, rev: pod.metadata.resourceVersion, by: keyOf(by) }, 'preempted');
        recorder.event(pod, 'Normal', 'Preempted', `Preempted by pod ${by.metadata.uid} on node ${node}`, {
          action: 'Preempting',
          related: by,
        });
        return;
      } catch (error) {
        if (isApiError(error, 'NotFound')) return;
        log.warn({ key, err: messageOf(error) }, 'could not evict a preempted pod');
        await clock.sleep(backoffMs(attempt, retry, random), this.#signal);
      }
    }
  }
}
