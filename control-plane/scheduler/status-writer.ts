import type { Client } from '../../shared/client.ts';
import { type Clock, formatTime } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { podCondition } from '../../shared/pod.ts';

/** Writes a second, in the long run, and at once after a quiet time: saying why must not keep others from being placed. */
const perSecond = 50;
const burst = 100;
/** Patches at the same time. */
const writers = 2;
/** Pods that may wait to be told; beyond it a pod is told at its next try. */
const mostWaiting = 20_000;
const pauseMs = 1_000;

/** The node on which a scheduler keeps room for the pod. */
export function nominatedNode(pod: Pod): string | undefined {
  return pod.status?.nominatedNodeName || undefined;
}

/** Writes to pods that fit nowhere why that is: the condition PodScheduled=False, and where room is kept. The last word of each pod counts. */
export class StatusWriter {
  readonly #deps: { client: Pick<Client, 'patch'>; clock: Clock; log: Log };
  readonly #waiting = new Map<string, { pod: Pod; message: string; nominated: string | undefined }>();
  readonly #signal: AbortSignal;
  #running = 0;
  #tokens = burst;
  #refilledAt: number;

  constructor(deps: { client: Pick<Client, 'patch'>; clock: Clock; log: Log }, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#refilledAt = deps.clock.monotonic();
  }

  /** `nominated`: the node on which room is kept for it. */
  unschedulable(pod: Pod, message: string, nominated?: string): void {
    const key = keyOf(pod);
    const told = podCondition(pod, 'PodScheduled');
    const same = told?.status === 'False' && told.reason === 'Unschedulable' && told.message === message;
    if (same && nominatedNode(pod) === nominated) {
      this.#waiting.delete(key);
      return;
    }
    if (this.#waiting.size >= mostWaiting && !this.#waiting.has(key)) return;
    this.#waiting.set(key, { pod, message, nominated });
    if (this.#running < writers) {
      this.#running++;
      void this.#write();
    }
  }

  /** It is no longer so. */
  cancel(key: string): void {
    this.#waiting.delete(key);
  }

  async #write(): Promise<void> {
    const { log } = this.#deps;
    try {
      // Yields first: what is told and taken back within one moment is not written.
      await Promise.resolve();
      for (;;) {
        if (this.#waiting.size === 0 || this.#signal.aborted) return;
        await this.#takeToken();
        const [next] = this.#waiting;
        if (!next) {
          this.#tokens++;
          return;
        }
        const [key, told] = next;
        this.#waiting.delete(key);
        try {
          await this.#patch(told.pod, told.message, told.nominated);
        } catch (error) {
          if (isApiError(error, 'NotFound', 'Conflict')) continue;
          log.warn({ key, err: messageOf(error) }, 'could not write why a pod is not scheduled');
          if (isApiError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests') && !this.#waiting.has(key)) {
            this.#waiting.set(key, told);
          }
          await this.#deps.clock.sleep(pauseMs, this.#signal);
        }
      }
    } catch (error) {
      if (!this.#signal.aborted) log.error({ err: messageOf(error) }, 'status writer ended');
    } finally {
      this.#running--;
    }
  }

  async #patch(pod: Pod, message: string, nominated: string | undefined): Promise<void> {
    const { clock, client } = this.#deps;
    const changed = podCondition(pod, 'PodScheduled')?.status !== 'False';
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      ...(changed ? { lastTransitionTime: formatTime(clock.now()) } : {}),
    };
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    // With the version: what is said of a pod must not be said of it once it has been placed after all.
    const nomination = nominatedNode(pod) === nominated ? {} : { nominatedNodeName: nominated ?? null };
    const body = { metadata: { uid, resourceVersion }, status: { conditions: [condition], ...nomination } };
    await client.patch('Pod', name, { type: 'strategic', body }, { namespace, subresource: 'status' });
  }

  async #takeToken(): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      const now = clock.monotonic();
      this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilledAt) / 1000) * perSecond);
      this.#refilledAt = now;
      if (this.#tokens >= 1) {
        this.#tokens--;
        return;
      }
      await clock.sleep(Math.ceil(((1 - this.#tokens) / perSecond) * 1000), this.#signal);
    }
  }
}
