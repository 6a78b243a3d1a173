import type {
  Namespace,
  Node,
  NodeGuard,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  StorageClass,
} from '../../shared/generated/types.ts';
import type { Change } from '../../shared/informer.ts';
import { podCondition } from '../../shared/pod.ts';
import type { NodeIndex } from '../../shared/scheduling/node-index.ts';
import { nominatedNodeName, type PodInfo } from '../../shared/scheduling/node-info.ts';
import type { ClusterEvent } from '../../shared/scheduling/plugin.ts';
import type { Binder } from './binder.ts';
import type { BindingOutcomes } from './binding-outcomes.ts';
import type { Budgets } from './budgets.ts';
import type { ClaimBinder } from './claim-binder.ts';
import type { QueuedPod, SchedulingQueue } from './queue.ts';
import { nominatedNode, type StatusWriter } from './status-writer.ts';

export interface EventHandlersDeps {
  /** Pods of this spec.schedulerName are queued. */
  readonly name: string;
  readonly index: NodeIndex;
  readonly queue: SchedulingQueue;
  readonly binder: Binder;
  readonly claims: ClaimBinder;
  readonly outcomes: BindingOutcomes;
  readonly budgets: Budgets;
  readonly status: StatusWriter;
}

/** Applies the changes that the informers deliver to the index, the queue and the binder. */
export class EventHandlers {
  readonly #deps: EventHandlersDeps;

  constructor(deps: EventHandlersDeps) {
    this.#deps = deps;
  }

  /** Applies one batch. No decision may be made before all of it is applied. */
  apply(changes: readonly Change[]): void {
    const { binder, budgets, queue } = this.#deps;
    const events = new Set<ClusterEvent>();
    const guards: NodeGuard[] = [];
    for (const { kind, key, before, after } of changes) {
      if (kind === 'Pod') this.#applyPod(key, before as Pod | undefined, after as Pod | undefined, events);
      else if (kind === 'Node') this.#applyNode(key, after as Node | undefined, events);
      else if (kind === 'NodeGuard' && after) guards.push(after as NodeGuard);
      else if (kind === 'NodeGuard') binder.guardDeleted(key);
      else if (kind === 'PodDisruptionBudget' && after) budgets.set(after as PodDisruptionBudget);
      else if (kind === 'PodDisruptionBudget') budgets.remove(key);
      else if (kind === 'Namespace') this.#applyNamespace(key, after as Namespace | undefined, events);
      else this.#applyVolumes(kind, key, after, events);
    }
    // Last: a guard's version promises that everything up to it has been applied.
    for (const { metadata } of guards) binder.guardSeen(metadata.name, Number(metadata.resourceVersion));
    if (events.size > 0) queue.onEvents(events);
  }

  #applyVolumes(kind: Change['kind'], key: string, after: Change['after'], events: Set<ClusterEvent>): void {
    const { volumes } = this.#deps.index;
    if (kind === 'PersistentVolumeClaim') {
      const claim = after as PersistentVolumeClaim | undefined;
      volumes.setClaim(key, claim);
      this.#deps.claims.claimChanged(key, claim);
      events.add('ClaimChange');
    } else if (kind === 'PersistentVolume') {
      volumes.setVolume(key, after as PersistentVolume | undefined);
      events.add('VolumeChange');
    } else if (kind === 'StorageClass') {
      volumes.setStorageClass(key, after as StorageClass | undefined);
      events.add('StorageClassChange');
    }
  }

  #applyNode(name: string, node: Node | undefined, events: Set<ClusterEvent>): void {
    const { index, binder } = this.#deps;
    if (node) {
      if (!index.setNode(node)) return;
    } else {
      index.removeNode(name);
    }
    binder.nodeChanged(name);
    events.add('NodeChange');
  }

  #applyNamespace(name: string, namespace: Namespace | undefined, events: Set<ClusterEvent>): void {
    const { index } = this.#deps;
    const changed = namespace ? index.setNamespace(namespace) : index.removeNamespace(name);
    if (changed) events.add('NamespaceChange');
  }

  #applyPod(key: string, before: Pod | undefined, after: Pod | undefined, events: Set<ClusterEvent>): void {
    const { index } = this.#deps;
    const replaced = before !== undefined && after !== undefined && before.metadata.uid !== after.metadata.uid;
    if (before && (!after || replaced)) this.#removePod(key, events);
    if (!after) return;
    const old = index.pod(key);
    const [oldShape, oldNode, wasDeleting] = [old?.shape, old?.node, old?.deleting];
    const info = index.setPod(after);
    if (!info) {
      if (oldNode) events.add('AssignedPodDelete');
      this.#dequeue(key);
      return;
    }
    if (info.node && (info.shape !== oldShape || info.node !== oldNode)) events.add('AssignedPodAdd');
    if (info.node && oldNode && info.shape !== oldShape) events.add('AssignedPodDelete');
    if (info.node && info.deleting && !wasDeleting) events.add('AssignedPodTerminating');
    this.#updateQueue(info, after, before, oldShape !== undefined && oldShape !== info.shape);
  }

  #removePod(key: string, events: Set<ClusterEvent>): void {
    const { index } = this.#deps;
    const info = index.pod(key);
    if (!info) return;
    this.#dequeue(key);
    if (info.node) events.add('AssignedPodDelete');
    index.removePod(key);
  }

  /** The pod is queued exactly while it needs a node from this scheduler. */
  #updateQueue(info: PodInfo, pod: Pod, before: Pod | undefined, reshaped: boolean): void {
    const { name, queue, status } = this.#deps;
    const needsNode =
      !pod.spec.nodeName &&
      !info.deleting &&
      !pod.spec.schedulingGates?.length &&
      (pod.spec.schedulerName ?? 'default-scheduler') === name;
    const queued = queue.get(info.key);
    if (!needsNode) {
      this.#dequeue(info.key);
      return;
    }
    if (!queued) {
      if (info.node) return;
      this.#nominate(info, pod);
      queue.add(info, pod);
      return;
    }
    const nominated = (!before || nominatedNode(before) !== nominatedNode(pod)) && this.#nominate(info, pod);
    queued.pod = pod;
    // Another writer may have overwritten the condition. The message of another scheduler is left.
    const node = nominatedNodeName(info);
    const reported = podCondition(pod, 'PodScheduled')?.reason === 'Unschedulable' && nominatedNode(pod) === node;
    if (queued.state === 'unschedulable' && queued.message && !reported) {
      status.unschedulable(pod, queued.message, node);
    }
    if (reshaped || nominated) this.#activate(queued);
  }

  /** The pod may fit now, or elsewhere. One whose binding has been sent is left alone. */
  #activate(queued: QueuedPod): void {
    const { queue, binder, outcomes } = this.#deps;
    const { info } = queued;
    const node = info.assumed && !info.nominated ? info.node?.name : undefined;
    if (node && binder.withdraw(queued, node)) outcomes.stale({ queued, node });
    else queue.activate(queued);
  }

  /** Keeps room where an earlier or another scheduler has nominated the pod, unless it has room elsewhere. Returns whether it does now. */
  #nominate(info: PodInfo, pod: Pod): boolean {
    const node = nominatedNode(pod);
    if (!node || info.node) return false;
    this.#deps.index.nominateByName(info, node);
    return true;
  }

  #dequeue(key: string): void {
    const { queue, binder, outcomes, status } = this.#deps;
    const queued = queue.get(key);
    if (!queued) return;
    const { info } = queued;
    // A pod whose binding has been sent stays assumed until the result is there.
    const withdrawn = info.assumed && info.node && binder.withdraw(queued, info.node.name);
    if (withdrawn || info.nominated) outcomes.forget(info);
    queue.remove(key);
    status.cancel(key);
  }
}
