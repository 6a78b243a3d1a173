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

/** Pending evictions; further ones are left to a later scheduling cycle. */
const mostPending = 1_000;
/** Refused evictions that are kept. */
const mostRefused = 10_000;
/** Attempts while the API does not answer. */
const maxAttempts = 5;
const retry: BackoffOptions = { firstMs: 100, capMs: 5_000 };
/** For this time a pod whose eviction was refused is not chosen as a victim. */
const refusal: BackoffOptions = { firstMs: 5_000, capMs: 300_000 };

export interface EvictionDeps {
  readonly client: Pick<Client, 'delete' | 'patch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly recorder: EventRecorder;
  readonly log: Log;
  /** The newest version of the pod. */
  podOf(key: string): Pod | undefined;
  /** Whether the preemptor is still nominated to the node. */
  isNominated(preemptor: Pod, node: string): boolean;
  /** A victim was not evicted: the preemptor needs another one. */
  refused(preemptor: Pod): void;
}

interface Eviction {
  /** Of the victim. */
  readonly uid: string;
  readonly preemptor: Pod;
  /** The victim's node. */
  readonly node: string;
}

/** Evicts preemption victims one after another, beside the scheduling cycles, and keeps which evictions were refused. */
export class Evictions {
  readonly #deps: EvictionDeps;
  readonly #signal: AbortSignal;
  readonly #pending = new Map<string, Eviction>();
  /** By uid. Times are the clock's monotonic ones, in milliseconds. */
  readonly #refused = new Map<string, { until: number; times: number }>();
  #running = false;

  constructor(deps: EvictionDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  evict(key: string, preemptor: Pod, node: string): void {
    const uid = this.#deps.podOf(key)?.metadata.uid;
    if (uid === undefined || this.#pending.size >= mostPending) return;
    this.#pending.set(key, { uid, preemptor, node });
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  /** Whether the pod's eviction is pending. */
  has(key: string): boolean {
    return this.#pending.has(key);
  }

  /** The keys of pods whose eviction is pending. */
  keys(): Iterable<string> {
    return this.#pending.keys();
  }

  isRefused(uid: string): boolean {
    const refused = this.#refused.get(uid);
    return refused !== undefined && refused.until > this.#deps.clock.monotonic();
  }

  async #run(): Promise<void> {
    const { log, refused } = this.#deps;
    try {
      // Yields first: the caller nominates the preemptor before `isNominated` is called.
      await Promise.resolve();
      for (;;) {
        const [next] = this.#pending;
        if (!next || this.#signal.aborted) return;
        const [key, { uid, preemptor }] = next;
        const done = await this.#evictOne(key, next[1]);
        // Another preemptor may have set an eviction of the same pod meanwhile, which stays.
        if (this.#pending.get(key) === next[1]) this.#pending.delete(key);
        if (done) continue;
        this.#remember(uid);
        refused(preemptor);
      }
    } catch (error) {
      if (!this.#signal.aborted) log.error({ err: messageOf(error) }, 'evictions ended');
    } finally {
      this.#running = false;
    }
  }

  /** Returns whether nothing is left to do. Each attempt checks first that the eviction is still needed. */
  async #evictOne(key: string, { uid, preemptor, node }: Eviction): Promise<boolean> {
    const { clock, random, log, podOf, isNominated } = this.#deps;
    for (let attempt = 0; ; attempt++) {
      const pod = podOf(key);
      if (!pod || pod.metadata.uid !== uid || pod.metadata.deletionTimestamp) return true;
      if (pod.spec.nodeName !== node || !isNominated(preemptor, node)) return true;
      try {
        await this.#preempt(pod, preemptor, node);
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

  /** Sets the condition DisruptionTarget and deletes the pod, as kube-scheduler does. The choice of victims has regarded its budgets. */
  async #preempt(pod: Pod, preemptor: Pod, node: string): Promise<void> {
    const { client, clock, recorder, log } = this.#deps;
    const { name, namespace, uid } = pod.metadata;
    if (!isPreempted(pod)) {
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'PreemptionByScheduler',
        message: `${preemptor.spec.schedulerName}: preempting to accommodate a higher priority pod`,
        lastTransitionTime: formatTime(clock.now()),
      };
      const body = { metadata: { uid }, status: { conditions: [condition] } };
      await client.patch('Pod', name, { type: 'strategic', body }, { namespace, subresource: 'status' });
    }
    await client.delete('Pod', name, { namespace, preconditions: { uid } });
    log.info({ key: keyOf(pod), rev: pod.metadata.resourceVersion, by: keyOf(preemptor) }, 'preempted');
    recorder.event(pod, 'Normal', 'Preempted', `Preempted by pod ${preemptor.metadata.uid} on node ${node}`, {
      action: 'Preempting',
      related: preemptor,
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
