import { isDeepStrictEqual } from 'node:util';
import { formatTime } from '../../../shared/clock.ts';
import { ignoring, isApiError } from '../../../shared/errors.ts';
import type { Node, Pod } from '../../../shared/generated/types.ts';
import type { Change } from '../../../shared/informer.ts';
import { keyOf } from '../../../shared/object.ts';
import { isPodTerminal, withCondition } from '../../../shared/pod.ts';
import { nodeLeaseNamespace } from '../../../shared/well-known.ts';
import type { Controller, ControllerDeps } from '../controller.ts';
import {
  evictAt,
  lostConditions,
  type NodeHealth,
  nodeHealth,
  plannedTaints,
  seenTaints,
  type TaintDates,
} from './plan.ts';

/** A lease that is gone only for this long may just be changing hands: a session that ends as the next one starts. */
const confirmMs = 300;
/** After a write that came too late, milliseconds. */
const againMs = 50;
/** How many pods leave a node at the same time. */
const parallel = 16;

export interface NodeLifecycleOptions {
  /** How long a node's lease lives without heartbeats. */
  readonly leaseMs: number;
  /**
   * How long after this controller's start a node without a lease is given to come back: its agent may have had no server to
   * renew it with.
   */
  readonly startupMs: number;
}

/**
 * Watches over nodes: says that a silent one is unknown, taints it, and sends its pods away after their toleration. The pods of a
 * node that is lost are deleted for good, since nobody is there to confirm their end; the node removes what is left of them when it is back.
 */
export function createNodeLifecycleController(deps: ControllerDeps, options: NodeLifecycleOptions): Controller {
  const { client, informers, clock, events } = deps;
  const log = deps.log.child({ component: 'node-lifecycle-controller' });
  const nodes = informers.of('Node');
  const leases = informers.of('Lease');
  const pods = informers.of('Pod');
  const started = clock.monotonic();
  /** Node → when its lease was seen to vanish: by the wall clock, and by the one that does not jump. */
  const vanished = new Map<string, { at: number; monotonic: number }>();

  /** Nodes that this controller has greeted. */
  const registered = new Set<string>();
  /** Node → uids of the pods that will have to leave it when their toleration ends. */
  const leaving = new Map<string, Set<string>>();
  /** Node → since when it has the taints that bear no date. */
  const tainted = new Map<string, TaintDates>();

  function* keysOf({ kind, key, before, after }: Change): Iterable<string> {
    if (kind === 'Node') {
      if (!after) {
        vanished.delete(key);
        leaving.delete(key);
        tainted.delete(key);
        if (registered.delete(key)) tellOf(before as Node, 'RemovingNode', `Removing Node ${key} from Controller`);
      }
      if (before && after) tellChanges(before as Node, after as Node);
      yield key;
      // A node that was removed takes its pods along.
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
    if (!node) return removeOrphans(name, signal);
    if (!registered.has(name)) {
      registered.add(name);
      tellOf(node, 'RegisteredNode', `Registered Node ${name} in Controller`);
    }
    const silence = silenceOf(name);
    if (silence.state === 'waiting') return silence.forMs;
    const health = nodeHealth(node, silence.state === 'silent' ? silence.since : undefined, clock.now());
    await report(node, health);
    return sendAway(node, health, signal);
  }

  /** What a kubelet tells of its node, which our agent does not hear of or has forgotten. */
  function tellChanges(before: Node, after: Node): void {
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

  function tellOf(node: Node, reason: string, what: string): void {
    events.event(node, 'Normal', reason, `Node ${node.metadata.name} event: ${what}`);
  }

  /** Whether the node's lease is there, and since when it is not. */
  function silenceOf(
    name: string,
  ): { state: 'heard' } | { state: 'waiting'; forMs: number } | { state: 'silent'; since: number } {
    if (leases.get(`${nodeLeaseNamespace}/${name}`)) return { state: 'heard' };
    const seen = vanished.get(name);
    const sinceStart = clock.monotonic() - started;
    if (sinceStart < options.startupMs) return { state: 'waiting', forMs: options.startupMs - sinceStart };
    const gone = seen ?? { at: clock.now(), monotonic: clock.monotonic() };
    if (!seen) vanished.set(name, gone);
    const forMs = confirmMs - (clock.monotonic() - gone.monotonic);
    return forMs > 0 ? { state: 'waiting', forMs } : { state: 'silent', since: gone.at - options.leaseMs };
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

  /** Returns when the next pod's time comes. */
  async function sendAway(node: Node, health: NodeHealth, signal: AbortSignal): Promise<number | undefined> {
    const taints = plannedTaints(node, health);
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    const due: Pod[] = [];
    const { name } = node.metadata;
    const seen = seenTaints(taints, tainted.get(name), now);
    if (seen.size > 0) tainted.set(name, seen);
    else tainted.delete(name);
    const [before, after] = [leaving.get(name), new Set<string>()];
    for (const pod of pods.by('node', name)) {
      const { uid } = pod.metadata;
      const leaves = evictAt(pod, taints, seen);
      if (leaves > now && Number.isFinite(leaves)) after.add(uid);
      else if (before?.has(uid) && leaves > now) tellEviction(pod, 'Cancelling deletion of');
      const at = Math.min(leaves, health.state === 'lost' ? endOfGrace(pod) : Number.POSITIVE_INFINITY);
      if (at > now) next = Math.min(next, at);
      else if (isPodTerminal(pod) ? pod.metadata.deletionTimestamp : true) due.push(pod);
    }
    if (after.size > 0) leaving.set(name, after);
    else leaving.delete(name);
    if (health.state === 'lost' && !(await sayUnready(node, signal))) next = Math.min(next, now + againMs);
    await inParallel(due, signal, (pod) => evict(pod, health));
    return Number.isFinite(next) ? next - now : undefined;
  }

  async function evict(pod: Pod, health: NodeHealth): Promise<void> {
    const forGood = health.state === 'lost';
    if (!forGood && pod.metadata.deletionTimestamp) return;
    tellEviction(pod, 'Marking for deletion');
    await remove(pod, forGood);
  }

  function tellEviction(pod: Pod, what: string): void {
    const evictions = events.of('taint-eviction-controller');
    evictions.event(pod, 'Normal', 'TaintManagerEviction', `${what} Pod ${keyOf(pod)}`);
  }

  /** Whoever counts on these pods must know at once that they do not serve. False: some have changed meanwhile, and are not told of. */
  async function sayUnready(node: Node, signal: AbortSignal): Promise<boolean> {
    let all = true;
    const serving = [...pods.by('node', node.metadata.name)].filter((pod) =>
      pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    );
    await inParallel(serving, signal, async (pod) => {
      const lastTransitionTime = formatTime(clock.now());
      const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime } as const;
      const status = { ...pod.status, conditions: withCondition(pod.status?.conditions, ready) };
      events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      await client.updateStatus('Pod', { ...pod, status }).catch((error: unknown) => {
        if (isApiError(error, 'Conflict')) all = false;
        else if (!isApiError(error, 'NotFound')) throw error;
      });
    });
    return all;
  }

  /** A node's object is gone: nothing runs its pods any more. */
  async function removeOrphans(name: string, signal: AbortSignal): Promise<undefined> {
    const orphans = [...pods.by('node', name)];
    if (orphans.length === 0) return;
    const there = await client.get('Node', name).catch(ignoring('NotFound', 'Conflict'));
    if (!there) await inParallel(orphans, signal, (pod) => remove(pod, true));
  }

  async function remove({ metadata: { name, namespace, uid } }: Pod, forGood: boolean): Promise<void> {
    const grace = forGood ? { gracePeriodSeconds: 0 } : {};
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

async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length && !signal.aborted; start += parallel) {
    await Promise.all(items.slice(start, start + parallel).map(work));
  }
}
