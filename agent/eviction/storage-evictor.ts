import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import type { ContainerState, Runtime } from '../runtime/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { exceededLimit, type StorageUsage, type StorageWatch, storageWatch } from './storage-limits.ts';

export interface StorageEvictorDeps {
  readonly runtime: Pick<Runtime, 'storage'>;
  readonly volumes: Pick<PodVolumes, 'usage'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The pods that are neither ended nor being deleted, with the newest container of each name. */
  pods(): Iterable<{ readonly pod: Pod; readonly containers: readonly ContainerState[] }>;
  evict(uid: string, message: string): void;
}

/** Milliseconds between two measurements of a pod. */
const everyMs = 5_000;
/** After a measurement the pod rests for this many times its duration. */
const restFactor = 5;

/** Evicts pods that exceed their limits of ephemeral storage. Pods without limits are not measured; one is measured at a time. */
export class StorageEvictor {
  readonly #deps: StorageEvictorDeps;
  readonly #log: Log;
  /** When each pod is measured again, by the monotonic clock. */
  #dueAt = new Map<string, number>();

  constructor(deps: StorageEvictorDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'storage' });
  }

  /** Runs until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#deps.clock, everyMs, signal);
      await this.#round(signal);
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { clock, pods } = this.#deps;
    const dueAt = new Map<string, number>();
    for (const { pod, containers } of [...pods()]) {
      const watch = storageWatch(pod);
      if (!watch) continue;
      const { uid } = pod.metadata;
      const begun = clock.monotonic();
      const due = this.#dueAt.get(uid) ?? 0;
      if (due <= begun && !signal.aborted) await this.#check(pod, containers, watch, signal);
      dueAt.set(uid, Math.max(due, begun + (clock.monotonic() - begun) * restFactor));
    }
    this.#dueAt = dueAt;
  }

  async #check(
    pod: Pod,
    containers: readonly ContainerState[],
    watch: StorageWatch,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const message = exceededLimit(pod, await this.#measure(pod, containers, watch, signal));
      if (message) this.#deps.evict(pod.metadata.uid, message);
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ key: keyOf(pod), err: messageOf(error) }, 'storage not measured');
    }
  }

  async #measure(
    pod: Pod,
    containers: readonly ContainerState[],
    watch: StorageWatch,
    signal: AbortSignal,
  ): Promise<StorageUsage> {
    const { runtime, volumes } = this.#deps;
    const byName = new Map<string, number>();
    for (const { id, name } of watch.containers ? containers : []) {
      const bytes = await runtime.storage(id, signal);
      if (bytes !== undefined) byName.set(name, bytes);
    }
    return { volumes: await volumes.usage(pod.metadata.uid, watch.volumes, signal), containers: byName };
  }
}
