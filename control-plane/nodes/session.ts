import { setMaxListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../shared/errors.ts';
import type { Node, NodeStatus, Pod, PodStatus } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import type { Connection, FromNode, PodStatusUpdate, ToNode, UsageReport } from '../../shared/session.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { AssignmentChain } from './assigned/assignment-chain.ts';
import { assignedKinds } from './assigned/kinds.ts';
import { NodeEventWriter } from './node-events.ts';
import { writeNodeStatus } from './node-status.ts';
import type { NodeUsage } from './usage.ts';
import { checkedUsage } from './usage-check.ts';

/** Reports of one message that are written at the same time. */
const parallelWrites = 16;
/** Status reports that are written for one node: a start of all its pods at once, and so many a second for ever. */
const reportRate = { burst: 2_000, perSecond: 200 };
/** Tries of one status report whose pod changes at the same time. */
const statusTries = 5;

export interface SessionDeps {
  /** The API under the node's own identity. */
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  /** RecordedEvent what the node and its pods use. */
  readonly usage: Pick<NodeUsage, 'put'>;
}

/** The node's lease, as its session sees it: heartbeats renew it, on a way of their own. */
export interface SessionLease {
  /** The Lease object was deleted. */
  deleted(): void;
  /** No heartbeat of this session is taken any more. */
  close(): void;
}

/**
 * One node's session after its registration. It is disposable: any failure ends it whole, and what was not
 * acknowledged comes again in the next one.
 */
export class Session {
  readonly node: string;
  readonly #deps: SessionDeps;
  readonly #connection: Connection<FromNode, ToNode>;
  readonly #lease: SessionLease;
  readonly #chain: AssignmentChain;
  readonly #reports: TokenBucket;
  readonly #assign = new Wakeup();
  readonly #ended = new AbortController();
  readonly #events: NodeEventWriter;
  /** The status that the agent reported last, at first when it registered. */
  #nodeStatus: NodeStatus | undefined;
  readonly #capacity = new Wakeup();
  #serving = false;

  constructor(deps: SessionDeps, node: string, connection: Connection<FromNode, ToNode>, lease: SessionLease) {
    this.node = node;
    this.#deps = deps;
    this.#connection = connection;
    this.#lease = lease;
    // Each stream that is about to be opened listens to it.
    setMaxListeners(0, this.#ended.signal);
    this.#reports = new TokenBucket(deps.clock, reportRate);
    this.#events = new NodeEventWriter(deps, node);
    this.#chain = new AssignmentChain(node, deps.informers, assignedKinds);
    this.#assign.wake();
  }

  /** Takes the status that was written when the node registered. */
  registered(status: NodeStatus | undefined): void {
    this.#nodeStatus = status;
  }

  /** Changes of the cluster's state, some of which may be this node's. */
  note(changes: readonly Change[]): void {
    const lease = `${nodeLeaseNamespace}/${this.node}`;
    if (changes.some(({ kind, key, after }) => kind === 'Lease' && key === lease && !after)) this.#lease.deleted();
    this.#events.note(changes);
    if (this.#chain.note(changes)) this.#assign.wake();
    if (changes.some((change) => change.kind === 'Node' && change.key === this.node && hasOtherCapacity(change))) {
      this.#capacity.wake();
    }
  }

  /** Aborted when it is over. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** The node is registered and its messages are read: streams can be opened on it. */
  get serving(): boolean {
    return this.#serving && !this.ended.aborted;
  }

  send(message: ToNode): Promise<void> {
    return this.#connection.send(message);
  }

  end(reason: string): void {
    this.#ended.abort(new ApiError('ServiceUnavailable', reason));
    this.#lease.close();
    this.#connection.close();
  }

  /** Serves until the connection ends, the session is ended, or something fails. `incoming`: the messages after `register`. */
  async serve(incoming: AsyncIterator<FromNode>): Promise<void> {
    const { signal } = this.#ended;
    this.#serving = true;
    const loops = [
      this.#receive(incoming),
      this.#sendAssignments(signal),
      this.#keepNodeStatus(signal),
      this.#events.run(signal),
    ];
    try {
      await Promise.race(loops);
    } finally {
      this.end('the session has ended');
      await Promise.allSettled(loops);
    }
  }

  async #receive(incoming: AsyncIterator<FromNode>): Promise<void> {
    for (;;) {
      const { done, value } = await incoming.next();
      if (done || this.#ended.signal.aborted) return;
      await this.#handle(value);
    }
  }

  async #handle(message: FromNode): Promise<void> {
    switch (message.type) {
      case 'podStatus':
        await this.#reports.take(message.updates.length, this.ended);
        await this.#writePodStatuses(message.updates);
        await this.#connection.send({ type: 'statusAck', sequence: message.sequence });
        return;
      case 'nodeStatus':
        await this.#reports.take(1, this.ended);
        await this.#writeNodeStatus(message.status);
        return;
      case 'event':
        this.#events.put(message.event);
        return;
      case 'metrics':
        this.#putUsage(message.report);
        return;
      case 'register':
        throw new ApiError('BadRequest', 'register is sent once, as the first message of a session');
    }
  }

  #putUsage(report: UsageReport): void {
    const { clock, informers, usage } = this.#deps;
    usage.put(this.node, checkedUsage(report, informers.of('Pod').by('node', this.node), clock.now()));
  }

  async #sendAssignments(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#assign.wait(signal);
      const message = this.#chain.next();
      if (message) await this.#connection.send(message);
    }
  }

  async #writePodStatuses(updates: readonly PodStatusUpdate[]): Promise<void> {
    for (let start = 0; start < updates.length; start += parallelWrites) {
      await Promise.all(updates.slice(start, start + parallelWrites).map((update) => this.#writePodStatus(update)));
    }
  }

  /** Only for a pod of this node that is still the one the agent speaks of; reports of others are out of date. */
  async #writePodStatus(update: PodStatusUpdate): Promise<void> {
    const { client, log } = this.#deps;
    const { namespace, name, uid, status, terminated } = update;
    const known = this.#ownPod(update, this.#deps.informers.of('Pod').get(`${namespace}/${name}`));
    if (!known) return;
    try {
      const pod = status ? await this.#putStatus(update, status, known) : known;
      if (terminated && pod?.metadata.deletionTimestamp) {
        await client.delete('Pod', name, { namespace, gracePeriodSeconds: 0, preconditions: { uid } });
      }
    } catch (error) {
      // Gone or replaced meanwhile: there is nothing left to report on.
      if (isApiError(error, 'NotFound', 'Conflict')) return;
      if (!isApiError(error, 'Invalid', 'Forbidden', 'BadRequest')) throw error;
      // Sent again it would be refused again: the other pods' reports must not wait for it.
      log.warn(
        { component: 'nodes', key: this.node, pod: `${namespace}/${name}`, err: messageOf(error) },
        'status refused',
      );
    }
  }

  /** Writes onto the state that others' conditions were taken from, so that none of them is lost. Undefined when the pod is gone. */
  async #putStatus(update: PodStatusUpdate, status: PodStatus, known: Pod): Promise<Pod | undefined> {
    const { client } = this.#deps;
    let pod: Pod | undefined = known;
    for (let attempt = 1; pod; attempt++) {
      const { name, namespace, uid, resourceVersion } = pod.metadata;
      const report = { metadata: { name, namespace, uid, resourceVersion }, status: withOthers(pod, status) };
      try {
        return await client.updateStatus('Pod', report as Pod);
      } catch (error) {
        if (!isApiError(error, 'Conflict') || attempt >= statusTries) throw error;
      }
      pod = this.#ownPod(update, await client.get('Pod', name, namespace));
      // A newer session may have reported a newer status, which this one must not replace.
      this.ended.throwIfAborted();
    }
    return undefined;
  }

  #ownPod({ uid }: PodStatusUpdate, pod: Pod | undefined): Pod | undefined {
    return pod?.metadata.uid === uid && pod.spec.nodeName === this.node ? pod : undefined;
  }

  /** The last report again, after another client wrote capacity of its own: all of that is allocatable. */
  async #keepNodeStatus(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#capacity.wait(signal);
      if (this.#nodeStatus) await this.#writeNodeStatus(this.#nodeStatus);
    }
  }

  async #writeNodeStatus(status: NodeStatus): Promise<void> {
    const { client, informers, log } = this.#deps;
    this.#nodeStatus = status;
    try {
      const node = informers.of('Node').get(this.node) ?? (await client.get('Node', this.node));
      await writeNodeStatus(client, node, status);
    } catch (error) {
      if (!isApiError(error, 'Invalid', 'Forbidden', 'BadRequest')) throw error;
      log.warn({ component: 'nodes', key: this.node, err: messageOf(error) }, 'node status refused');
    }
  }
}

function hasOtherCapacity({ before, after }: Change): boolean {
  const [was, is] = [before, after].map((node) => (node as Node | undefined)?.status?.capacity);
  return is !== undefined && !isDeepStrictEqual(was, is);
}

/** The conditions that only a node writes; of others it may know an old state (kubernetes/pkg/kubelet/types, `PodConditionByKubelet`). */
const nodeConditions: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodResizePending',
  'PodResizeInProgress',
]);

/** The fields of a pod's status that a node writes: one that it leaves out is gone. */
const nodeFields: ReadonlySet<string> = new Set([
  ...['phase', 'conditions', 'message', 'reason', 'hostIP', 'hostIPs', 'podIP', 'podIPs', 'startTime', 'qosClass'],
  ...['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses', 'resize', 'observedGeneration'],
]);

/** The status an agent reports, with what others have written into it: the scheduler's and the controllers' conditions, readiness gates. */
function withOthers(pod: Pod, status: PodStatus): PodStatus {
  const kept = Object.entries(pod.status ?? {}).filter(([name]) => !nodeFields.has(name));
  const others = pod.status?.conditions?.filter(({ type }) => !nodeConditions.has(type)) ?? [];
  const written = new Set(others.map(({ type }) => type));
  const reported = status.conditions?.filter(({ type }) => !written.has(type)) ?? [];
  return { ...Object.fromEntries(kept), ...status, conditions: [...others, ...reported] };
}
