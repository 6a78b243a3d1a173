import type { Pod, PodStatus } from '../../shared/generated/types.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import type { PodWorker } from '../pod/worker.ts';
import type { ContainerState } from '../runtime/runtime.ts';

/** Reads the node's pods: for the session, streams, usage, eviction and the kubelet's API. */
export class PodLister {
  readonly #workers: ReadonlyMap<string, PodWorker>;

  constructor(workers: ReadonlyMap<string, PodWorker>) {
    this.#workers = workers;
  }

  get size(): number {
    return this.#workers.size;
  }

  hasPod(uid: string): boolean {
    return this.#workers.has(uid);
  }

  podOf(uid: string): Pod | undefined {
    return this.#workers.get(uid)?.pod;
  }

  /** The pods with the status that was reported last. */
  pods(): Pod[] {
    return [...this.#workers.values()].map((worker) => ({
      ...worker.pod,
      status: worker.currentReport().status ?? {},
    }));
  }

  /** The last report of every pod, for a new session. */
  reports(): PodStatusUpdate[] {
    return [...this.#workers.values()].map((worker) => worker.currentReport());
  }

  /** The status of a pod that was reported last. */
  statusOf(uid: string): PodStatus | undefined {
    return this.#workers.get(uid)?.currentReport().status;
  }

  /** The pod's running sandbox. */
  sandboxOf(uid: string): string | undefined {
    return this.#workers.get(uid)?.sandbox?.id;
  }

  /** The running container of this name. */
  runningContainer({ uid, container }: { uid: string; container: string }): ContainerState | undefined {
    return [...(this.#workers.get(uid)?.containers ?? [])].find(
      ({ name, state }) => name === container && state === 'running',
    );
  }

  /** The running containers of all pods. */
  runningContainers(): ContainerState[] {
    return [...this.#workers.values()].flatMap(({ containers }) =>
      [...containers].filter(({ state }) => state === 'running'),
    );
  }

  /** The pods that are neither ended nor being deleted, with the newest container of each name. */
  *active(): Generator<{ pod: Pod; containers: ContainerState[] }> {
    for (const { pod, memory, containers } of this.#workers.values()) {
      if (memory.terminal || memory.deletion) continue;
      const newest = new Map([...containers].sort((a, b) => a.attempt - b.attempt).map((state) => [state.name, state]));
      yield { pod, containers: [...newest.values()] };
    }
  }
}
