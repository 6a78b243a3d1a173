import { type Clock, pause } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Log } from '../../shared/log.ts';
import type { ObservedPod } from '../pod/model.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import type { RuntimePods } from './pleg.ts';

export interface OrphanedPodsDeps {
  readonly runtime: Pick<Runtime, 'removeSandbox' | 'removeContainer'>;
  readonly volumes: Pick<PodVolumes, 'list' | 'remove'>;
  readonly clock: Clock;
  readonly log: Log;
  hasWorker(uid: string): boolean;
  /** Nothing of the pod is left on the node. */
  removed(uid: string): void;
}

const retryMs = 1_000;

/** The pods that the runtime has and no worker: an assignment claims them, or they are removed. */
export class OrphanedPods {
  readonly #deps: OrphanedPodsDeps;
  readonly #log: Log;
  #found: Map<string, ObservedPod> = new Map();
  readonly #removing = new Set<string>();

  constructor(deps: OrphanedPodsDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'orphans' });
  }

  /** Whether pods, or files of pods, are being removed. */
  get removing(): boolean {
    return this.#removing.size > 0;
  }

  isRemoving(uid: string): boolean {
    return this.#removing.has(uid);
  }

  has(uid: string): boolean {
    return this.#found.has(uid);
  }

  /** Takes the pods without a worker from a list of what the runtime has. */
  found(pods: RuntimePods): void {
    this.#found = new Map(pods);
  }

  /** Hands what the runtime has of a pod to its new worker. */
  claim(uid: string): ObservedPod {
    const pod = this.#found.get(uid);
    this.#found.delete(uid);
    return pod ?? { sandboxes: [], containers: [] };
  }

  /** Removes all orphaned pods; each is tried again until it is gone. */
  removeAll(signal: AbortSignal): void {
    for (const [uid, pod] of this.#found) {
      if (!this.#deps.hasWorker(uid) && !this.#removing.has(uid)) void this.#remove(uid, pod, signal);
    }
  }

  /** Removes the volumes of pods that ended while no agent ran. */
  async removeVolumes(): Promise<void> {
    try {
      for (const uid of await this.#deps.volumes.list()) {
        if (!this.#deps.hasWorker(uid) && !this.#removing.has(uid)) await this.#removeVolumesOf(uid);
      }
    } catch (error) {
      this.#log.warn({ err: messageOf(error) }, 'volumes of former pods not removed');
    }
  }

  async #remove(uid: string, pod: ObservedPod, signal: AbortSignal): Promise<void> {
    this.#removing.add(uid);
    const { sandboxes, containers } = pod;
    this.#log.info({ pod: sandboxes[0]?.pod ?? containers[0]?.pod }, 'removing an orphaned pod');
    while (!(await this.#tryRemove(uid, pod, signal))) {
      if (signal.aborted) return;
      await pause(this.#deps.clock, retryMs, signal);
    }
    this.#found.delete(uid);
    this.#ended(uid);
  }

  async #tryRemove(uid: string, { sandboxes, containers }: ObservedPod, signal: AbortSignal): Promise<boolean> {
    const { runtime, volumes } = this.#deps;
    try {
      for (const { id } of sandboxes) await runtime.removeSandbox(id, signal);
      for (const { id } of containers) await runtime.removeContainer(id, signal);
      await volumes.remove(uid);
      return true;
    } catch (error) {
      if (!signal.aborted) this.#log.warn({ uid, err: messageOf(error) }, 'orphaned pod not removed');
      return false;
    }
  }

  async #removeVolumesOf(uid: string): Promise<void> {
    this.#removing.add(uid);
    try {
      await this.#deps.volumes.remove(uid);
    } finally {
      this.#ended(uid);
    }
  }

  #ended(uid: string): void {
    this.#removing.delete(uid);
    this.#deps.removed(uid);
  }
}
