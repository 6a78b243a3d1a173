import type { Client } from '../../shared/client.ts';
import { type Clock, formatTime } from '../../shared/clock.ts';
import { isApiError, messageOf } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { podCondition } from '../../shared/pod.ts';
import { type Rate, TokenBucket } from '../../shared/token-bucket.ts';

/** Reports must not delay bindings. */
const rate: Rate = { burst: 100, perSecond: 50 };
/** Concurrent patches. */
const writers = 2;
/** Pending reports; beyond it a pod is reported by its next scheduling cycle. */
const mostPending = 20_000;
const pauseMs = 1_000;

/** The node that a scheduler has nominated the pod to. */
export function nominatedNode(pod: Pod): string | undefined {
  return pod.status?.nominatedNodeName || undefined;
}

/** Writes the condition PodScheduled=False and the nominated node of unschedulable pods. Only the newest report of a pod is written. */
export class StatusWriter {
  readonly #deps: { client: Pick<Client, 'patch'>; clock: Clock; log: Log };
  readonly #pending = new Map<string, { pod: Pod; message: string; nominated: string | undefined }>();
  readonly #bucket: TokenBucket;
  readonly #signal: AbortSignal;
  #running = 0;

  constructor(deps: { client: Pick<Client, 'patch'>; clock: Clock; log: Log }, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#bucket = new TokenBucket(deps.clock, rate);
  }

  /** `nominated`: the node that it is nominated to. */
  unschedulable(pod: Pod, message: string, nominated?: string): void {
    const key = keyOf(pod);
    const before = podCondition(pod, 'PodScheduled');
    const same = before?.status === 'False' && before.reason === 'Unschedulable' && before.message === message;
    if (same && nominatedNode(pod) === nominated) {
      this.#pending.delete(key);
      return;
    }
    if (this.#pending.size >= mostPending && !this.#pending.has(key)) return;
    this.#pending.set(key, { pod, message, nominated });
    if (this.#running < writers) {
      this.#running++;
      void this.#write();
    }
  }

  /** The pod is no longer unschedulable. */
  cancel(key: string): void {
    this.#pending.delete(key);
  }

  async #write(): Promise<void> {
    const { log } = this.#deps;
    try {
      // Yields first: a report that is cancelled in the same turn is not written.
      await Promise.resolve();
      for (;;) {
        if (this.#pending.size === 0 || this.#signal.aborted) return;
        await this.#bucket.take(1, this.#signal);
        const [next] = this.#pending;
        if (!next) return;
        const [key, report] = next;
        this.#pending.delete(key);
        try {
          await this.#patch(report.pod, report.message, report.nominated);
        } catch (error) {
          if (isApiError(error, 'NotFound', 'Conflict')) continue;
          log.warn({ key, err: messageOf(error) }, 'could not write why a pod is not scheduled');
          if (isApiError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests') && !this.#pending.has(key)) {
            this.#pending.set(key, report);
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
    // With the resourceVersion: a pod that has been bound since must not get the condition.
    const nomination = nominatedNode(pod) === nominated ? {} : { nominatedNodeName: nominated ?? null };
    const body = { metadata: { uid, resourceVersion }, status: { conditions: [condition], ...nomination } };
    await client.patch('Pod', name, { type: 'strategic', body }, { namespace, subresource: 'status' });
  }
}
