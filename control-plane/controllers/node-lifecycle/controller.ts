import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { ignoring, isApiError } from '../../../shared/errors.ts';
import type { Node, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { isPodReady, isPodTerminal, withCondition } from '../../../shared/pod.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import type { ControllerOptions } from '../definition.ts';
import { inBatches } from '../owned-pods/in-batches.ts';
import {
  evictAt,
  isOutOfService,
  isUnique,
  lostConditions,
  type NodeHealth,
  nodeHealth,
  plannedTaints,
  seenTaints,
  type TaintDates,
} from './plan.ts';

/** A lease that is absent for less than this may be between two sessions of its node. */
const leaseGraceMs = 300;
/** After a conflict, milliseconds. */
const conflictRetryMs = 50;

/**
 * Reports nodes without a lease as unknown, taints them, and evicts their pods after their toleration. The pods of a lost node are
 * deleted with no grace period, as no agent can confirm their end; the agent removes their containers when the node is back. Unique pods
 * stay Terminating until their end is certain: the agent confirms it, the node is out of service, or its object is deleted.
 */
export function createNodeLifecycleController(
  deps: ControllerDeps,
  options: Pick<ControllerOptions, 'leaseMs' | 'startupMs'>,
): Controller {
  const { client, informers, clock, events } = deps;
  const log = deps.log.child({ component: 'node-lifecycle-controller' });
  const nodes = informers.of('Node');
  const leases = informers.of('Lease');
  const pods = informers.of('Pod');
  const claims = informers.of('PersistentVolumeClaim');
  const started = clock.monotonic();
  /** Node → when its lease vanished: by the wall clock, and by the monotonic one. */
  const vanished = new Map<string, { at: number; monotonic: number }>();
  /** Nodes with the event RegisteredNode. */
  const registered = new Set<string>();
  /** Node → uids of the pods that are evicted when their toleration ends. */
  const pendingEvictions = new Map<string, Set<string>>();
  /** Node → when its taints without `timeAdded` were first seen. */
  const tainted = new Map<string, TaintDates>();

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Node') {
      if (!after) {
        vanished.delete(key);
        pendingEvictions.delete(key);
        tainted.delete(key);
        if (registered.delete(key)) nodeEvent(before as Node, 'RemovingNode', `Removing Node ${key} from Controller`);
      }
      if (before && after) reportChanges(before as Node, after as Node);
      yield key;
      return;
    }
    if (kind === 'Lease' && key.startsWith(`${nodeLeaseNamespace}/`)) {
      const node = key.slice(nodeLeaseNamespace.length + 1);
      if (after) vanished.delete(node);
      else vanished.set(node, { at: clock.now(), monotonic: clock.monotonic() });
      yield node;
      return;
    }
    if (kind !== 'Pod') return;
    const [old, pod] = [before as Pod | undefined, after as Pod | undefined];
    if (pod?.spec.nodeName && (!old?.spec.nodeName || pod.metadata.deletionTimestamp)) yield pod.spec.nodeName;
  }

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const node = nodes.get(name);
    if (!node) return deleteOrphanedPods(name, signal);
    if (!registered.has(name)) {
      registered.add(name);
      nodeEvent(node, 'RegisteredNode', `Registered Node ${name} in Controller`);
    }
    const lease = leaseState(name);
    if (lease.state === 'waiting') return lease.forMs;
    const health = nodeHealth(node, lease.state === 'expired' ? lease.since : undefined, clock.now());
    await report(node, health);
    return evictPods(node, health, signal);
  }

  /** The kubelet's events about its node that Coracle's agent does not send: it learns of neither. */
  function reportChanges(before: Node, after: Node): void {
    const kubelet = events.of('kubelet');
    const { name } = after.metadata;
    const [was, is] = [before, after].map(({ status }) => status?.nodeInfo?.bootID ?? '');
    if (was && is && was !== is) {
      kubelet.event(after, 'Warning', 'Rebooted', `Node ${name} has been rebooted, boot id: ${is}`);
    }
    if ((before.spec.unschedulable ?? false) === (after.spec.unschedulable ?? false)) return;
    const reason = after.spec.unschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable';
    kubelet.event(after, 'Normal', reason, `Node ${name} status is now: ${reason}`);
  }

  function nodeEvent(node: Node, reason: string, what: string): void {
    events.event(node, 'Normal', reason, `Node ${node.metadata.name} event: ${what}`);
  }

  /** Whether the node has a lease; without one, since when (milliseconds since the epoch), or how long it may still come back. */
  function leaseState(
    name: string,
  ): { state: 'held' } | { state: 'waiting'; forMs: number } | { state: 'expired'; since: number } {
    if (leases.get(`${nodeLeaseNamespace}/${name}`)) return { state: 'held' };
    const seen = vanished.get(name);
    const sinceStart = clock.monotonic() - started;
    if (sinceStart < options.startupMs) return { state: 'waiting', forMs: options.startupMs - sinceStart };
    const gone = seen ?? { at: clock.now(), monotonic: clock.monotonic() };
    if (!seen) vanished.set(name, gone);
    const forMs = leaseGraceMs - (clock.monotonic() - gone.monotonic);
    return forMs > 0 ? { state: 'waiting', forMs } : { state: 'expired', since: gone.at - options.leaseMs };
  }

  async function report(node: Node, health: NodeHealth): Promise<void> {
    const { name, resourceVersion } = node.metadata;
    let version = resourceVersion;
    if (health.state === 'lost') {
      const conditions = lostConditions(node, clock.now());
      if (!isDeepStrictEqual(conditions, node.status?.conditions)) {
        const status = { ...node.status, conditions };
        version = (await client.updateStatus('Node', { ...node, status })).metadata.resourceVersion;
        log.info({ key: name, silentSince: formatTime(health.since) }, 'node lost');
        events.event(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
      }
    }
    const taints = plannedTaints(node, health);
    if (isDeepStrictEqual(taints, node.spec.taints ?? [])) return;
    const body = { metadata: { resourceVersion: version }, spec: { taints: taints.length > 0 ? taints : null } };
    await client.patch('Node', name, { type: 'merge', body });
  }

  /** Evicts the pods whose time has come. Returns the milliseconds until the next one's. */
  async function evictPods(node: Node, health: NodeHealth, signal: AbortSignal): Promise<number | undefined> {
    const taints = plannedTaints(node, health);
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    const due: Pod[] = [];
    const { name } = node.metadata;
    const seen = seenTaints(taints, tainted.get(name), now);
    if (seen.size > 0) tainted.set(name, seen);
    else tainted.delete(name);
    const [before, after] = [pendingEvictions.get(name), new Set<string>()];
    for (const pod of pods.by('node', name)) {
      const { uid } = pod.metadata;
      const evictionAt = evictAt(pod, taints, seen);
      if (evictionAt > now && Number.isFinite(evictionAt)) after.add(uid);
      else if (before?.has(uid) && evictionAt > now) evictionEvent(pod, 'Cancelling deletion of');
      const at = Math.min(evictionAt, health.state === 'lost' ? endOfGrace(pod) : Number.POSITIVE_INFINITY);
      if (at > now) next = Math.min(next, at);
      else if (isPodTerminal(pod) ? pod.metadata.deletionTimestamp : true) due.push(pod);
    }
    if (after.size > 0) pendingEvictions.set(name, after);
    else pendingEvictions.delete(name);
    if (health.state === 'lost' && !(await markPodsNotReady(node, signal)))
      next = Math.min(next, now + conflictRetryMs);
    await inBatches(due, (pod) => evict(pod, node, health), signal);
    return Number.isFinite(next) ? next - now : undefined;
  }

  async function evict(pod: Pod, node: Node, health: NodeHealth): Promise<void> {
    const force = health.state === 'lost' && (isOutOfService(node) || !isUnique(pod, claims));
    if (!force && pod.metadata.deletionTimestamp) return;
    evictionEvent(pod, 'Marking for deletion');
    await deletePod(pod, force);
  }

  function evictionEvent(pod: Pod, what: string): void {
    const evictions = events.of('taint-eviction-controller');
    evictions.event(pod, 'Normal', 'TaintManagerEviction', `${what} Pod ${keyOf(pod)}`);
  }

  /** Marks the node's pods as not ready, for endpoints and budgets. False when some changed meanwhile and are left to the next try. */
  async function markPodsNotReady(node: Node, signal: AbortSignal): Promise<boolean> {
    let all = true;
    const serving = [...pods.by('node', node.metadata.name)].filter(isPodReady);
    await inBatches(
      serving,
      async (pod) => {
        const lastTransitionTime = formatTime(clock.now());
        const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime } as const;
        const status = { ...pod.status, conditions: withCondition(pod.status?.conditions, ready) };
        events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
        await client.updateStatus('Pod', { ...pod, status }).catch((error: unknown) => {
          if (isApiError(error, 'Conflict')) all = false;
          else if (!isApiError(error, 'NotFound')) throw error;
        });
      },
      signal,
    );
    return all;
  }

  /** Deletes the pods of a node that has no object any more (Kubernetes' pod garbage collector). */
  async function deleteOrphanedPods(name: string, signal: AbortSignal): Promise<undefined> {
    const orphans = [...pods.by('node', name)];
    if (orphans.length === 0) return;
    const present = await client.get('Node', name).catch(ignoring('NotFound', 'Conflict'));
    if (!present) await inBatches(orphans, (pod) => deletePod(pod, true), signal);
  }

  async function deletePod({ metadata: { name, namespace, uid } }: Pod, force: boolean): Promise<void> {
    const grace = force ? { gracePeriodSeconds: 0 } : {};
    await client
      .delete('Pod', name, { namespace, preconditions: { uid }, ...grace })
      .catch(ignoring('NotFound', 'Conflict'));
  }

  return { name: 'node-lifecycle-controller', kinds: ['Node', 'Lease', 'Pod'], workers: 8, keysOf, reconcile };
}

/** When a pod that is being deleted should have ended, in milliseconds since the epoch. */
function endOfGrace(pod: Pod): number {
  const { deletionTimestamp } = pod.metadata;
  return deletionTimestamp ? Date.parse(deletionTimestamp) : Number.POSITIVE_INFINITY;
}
