import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import { keyOf } from '../../shared/object.ts';
import { isPodTerminal } from '../../shared/pod.ts';
import { type PodReferences, podReferences } from '../../shared/pod-references.ts';
import type { PodStatusUpdate } from '../../shared/session.ts';
import { Admissions } from '../admission/admissions.ts';
import type { NodeView } from '../admission/admit.ts';
import { newMemory, type PodMemory } from '../pod/model.ts';
import { podRef } from '../pod/pod-ref.ts';
import { PodWorker, type WorkerDeps } from '../pod/worker.ts';
import type { RuntimeEvent } from '../runtime/runtime.ts';
import type { OrphanedPods } from './orphaned-pods.ts';
import type { RuntimePods } from './pleg.ts';
import type { PodCheckpoints } from './pod-checkpoints.ts';
import { UsedClaims } from './used-claims.ts';

export interface PodWorkersDeps extends Omit<WorkerDeps, 'mayStart' | 'remember' | 'gone'> {
  readonly checkpoints: PodCheckpoints;
  readonly orphans: OrphanedPods;
  /** What pods are admitted by; undefined while the control plane has not sent the node's own state. */
  nodeView(): NodeView | undefined;
  /** The pods that are assigned to the node, or were when the agent ended. */
  assignedPods(): Iterable<Pod>;
  /** Whether pods may be started that do not run. */
  mayStart(): boolean;
  /** Nothing of the pod is left on the node. */
  terminated(uid: string): void;
}

/** The workers: one for each pod that is assigned to the node, and for each that was until nothing of it is left. */
export class PodWorkers {
  readonly #deps: PodWorkersDeps;
  readonly #log: Log;
  readonly #workers = new Map<string, PodWorker>();
  /** Pods that are gone from the node and still have an object in the cluster, with the last report of each. */
  readonly #terminated = new Map<string, PodStatusUpdate>();
  /** Pods that were not assigned any more while the node was not clean: it is not clean before they have ended. */
  readonly #unassigned = new Set<string>();
  readonly #admissions: Admissions;
  readonly #workerDeps: WorkerDeps;
  readonly claims = new UsedClaims(this.#workers);

  constructor(deps: PodWorkersDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ component: 'pods' });
    this.#admissions = new Admissions({
      node: deps.nodeView,
      event: deps.event,
      fail: (pod, refusal) => this.#workers.get(pod.metadata.uid)?.fail(refusal),
    });
    this.#workerDeps = {
      ...deps,
      log: deps.log.child({ component: 'pod' }),
      mayStart: ({ metadata: { uid } }) => deps.mayStart() && this.#capacityKnown() && this.#admissions.mayStart(uid),
      report: (update) => {
        deps.report(update);
        if (update.terminated || !this.#workers.get(update.uid)?.active) this.#ended(update.uid);
      },
      remember: (pod, memory, status) => deps.checkpoints.put(pod, memory, status),
      gone: (pod) => this.#gone(pod),
    };
  }

  /** By the pod's uid. */
  get all(): ReadonlyMap<string, PodWorker> {
    return this.#workers;
  }

  /** Whether pods are still ending that were not assigned any more while the node was not clean. */
  get ending(): boolean {
    return this.#unassigned.size > 0;
  }

  /** Makes the worker of a pod that the checkpoint holds. */
  restore(pod: Pod, memory: PodMemory): void {
    this.#workers.set(pod.metadata.uid, new PodWorker(this.#workerDeps, pod, memory));
  }

  /** Brings the workers of `keys` to what is assigned. `complete`: all workers. `clean`: the node has no pods that it should not have. */
  reconcile(keys: ReadonlySet<string>, complete: boolean, clean: boolean): void {
    const assigned = this.#assignedByUid();
    for (const [uid, report] of this.#terminated) {
      const deleted = assigned.get(uid)?.metadata.deletionTimestamp !== undefined;
      // A control plane that starts afresh gets the report again: the status that it has may be older.
      if (deleted && complete) this.#deps.report(report);
      else if (complete || !assigned.has(uid)) this.#terminated.delete(uid);
    }
    for (const [uid, worker] of this.#workers) {
      if (!complete && !keys.has(keyOf(worker.pod))) continue;
      const pod = assigned.get(uid);
      if (!pod) {
        if (!clean) this.#unassigned.add(uid);
        worker.assign(undefined);
      } else if (pod === worker.pod) worker.wake();
      else worker.assign(pod);
    }
    this.#adopt(assigned);
  }

  /** Makes the workers that are missing: of pods whose removal has ended, or that waited for the node's capacity. */
  adopt(): void {
    this.#adopt(this.#assignedByUid());
  }

  /** Wakes the pods that read one of these objects. `changed`: their keys. */
  inputsChanged(changed: PodReferences): void {
    const kinds = (['configMaps', 'secrets', 'claims'] as const).filter((kind) => changed[kind].size > 0);
    if (kinds.length === 0) return;
    for (const worker of this.#workers.values()) {
      const namespace = worker.pod.metadata.namespace ?? '';
      const references = podReferences(worker.pod);
      const reads = kinds.some((kind) =>
        [...references[kind]].some((name) => changed[kind].has(`${namespace}/${name}`)),
      );
      if (reads) worker.inputsChanged();
    }
  }

  wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }

  addressesChanged(): void {
    for (const worker of this.#workers.values()) worker.addressesChanged();
  }

  /** The version of each worker's view of the runtime, to be taken before a list is requested. */
  versions(): ReadonlyMap<string, number> {
    return new Map([...this.#workers].map(([uid, worker]) => [uid, worker.version]));
  }

  /** Hands each worker its part of a list; false when the list was stale for one of them. */
  async observe(pods: RuntimePods, versions: ReadonlyMap<string, number>): Promise<boolean> {
    const fresh = await Promise.all(
      [...this.#workers].map(([uid, worker]) => {
        const version = versions.get(uid);
        const { sandboxes, containers } = pods.get(uid) ?? { sandboxes: [], containers: [] };
        return version === undefined || worker.observe(sandboxes, containers, version);
      }),
    );
    return fresh.every((each) => each);
  }

  /** Hands an event to its worker. Rejects when the container cannot be inspected. */
  async onEvent(event: RuntimeEvent): Promise<void> {
    await this.#workers.get(event.podUid)?.onEvent(event);
  }

  /** Ends all workers, and leaves the pods as they are. */
  stop(): void {
    for (const worker of this.#workers.values()) worker.stop();
  }

  #adopt(assigned: ReadonlyMap<string, Pod>): void {
    const { orphans } = this.#deps;
    const arriving = [...assigned.values()].filter(({ metadata: { uid } }) => {
      return !this.#workers.has(uid) && !this.#terminated.has(uid) && !orphans.isRemoving(uid);
    });
    for (const pod of arriving.sort(byAge)) {
      const { uid } = pod.metadata;
      // Without the node's capacity a pod can neither be admitted nor rejected.
      if (!this.#capacityKnown() && !this.#isAdmitted(pod)) continue;
      const worker = new PodWorker(this.#workerDeps, pod, this.#rejected(pod));
      this.#workers.set(uid, worker);
      worker.assign(pod);
      const { sandboxes, containers } = orphans.claim(uid);
      void worker.observe(sandboxes, containers, worker.version);
    }
  }

  /** The memory of a pod that the node rejects; undefined for one that it admits. */
  #rejected(pod: Pod): PodMemory | undefined {
    if (this.#isAdmitted(pod)) return undefined;
    const others = [...this.#workers.values()].filter((worker) => worker.active).map((worker) => worker.pod);
    const refusal = this.#admissions.refusal(pod, others);
    if (!refusal) return undefined;
    this.#log.info({ key: keyOf(pod), ...refusal }, 'pod rejected');
    return { ...newMemory(this.#deps.clock.now()), terminal: { phase: 'Failed', ...refusal, refused: true } };
  }

  /** Whether the pod was admitted by an agent that has lost its checkpoint since: it runs, or a status was reported. */
  #isAdmitted({ metadata: { uid }, status }: Pod): boolean {
    return this.#deps.orphans.has(uid) || status?.startTime !== undefined || isPodTerminal({ status });
  }

  #capacityKnown(): boolean {
    return this.#deps.node().memoryCapacity > 0;
  }

  #assignedByUid(): Map<string, Pod> {
    return new Map([...this.#deps.assignedPods()].map((pod) => [pod.metadata.uid, pod]));
  }

  /** Starts the pods that waited for the resources of this one. */
  #ended(uid: string): void {
    for (const ready of this.#admissions.ended(uid)) this.#workers.get(ready)?.wake();
  }

  #gone(pod: Pod): void {
    const { uid } = pod.metadata;
    const report = this.#workers.get(uid)?.currentReport() ?? podRef(pod);
    this.#workers.delete(uid);
    this.#terminated.set(uid, { ...report, terminated: true });
    this.#unassigned.delete(uid);
    this.#ended(uid);
    this.#deps.checkpoints.remove(uid);
    this.#deps.terminated(uid);
  }
}

/** The older first, as the kubelet admits them. */
function byAge({ metadata: a }: Pod, { metadata: b }: Pod): number {
  const order = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0);
  return order(a.creationTimestamp, b.creationTimestamp) || order(a.uid, b.uid);
}
