import { setMaxListeners } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../shared/client.ts';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { Node, NodeStatus } from '../../shared/generated/types.ts';
import type { Change, Informers } from '../../shared/informer.ts';
import type { Log } from '../../shared/log.ts';
import type { Connection, FromNode, PodStatusUpdate, ToNode, UsageReport } from '../../shared/session.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { Wakeup } from '../../shared/wakeup.ts';
import { nodeLeaseNamespace } from '../../shared/well-known.ts';
import { AssignmentChain } from './assigned/assignment-chain.ts';
import { assignedKinds } from './assigned/kinds.ts';
import { NodeEventWriter } from './reports/node-events.ts';
import { writeNodeStatus } from './reports/node-status.ts';
import type { NodeUsage } from './reports/node-usage.ts';
import { writePodStatus } from './reports/pod-status.ts';
import { isRefused } from './reports/refusal.ts';
import { checkedUsage } from './reports/usage-check.ts';
import { releaseVolume } from './reports/volume-deletion.ts';

/** The most statuses of one report that are written at the same time. */
const parallelWrites = 16;
/** The rate of status reports of one node: a burst for the start of all its pods, then a rate. */
const reportRate = { burst: 2_000, perSecond: 200 };

export interface SessionDeps {
  /** The API under the node's own identity. */
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
  /** Receives what the node and its pods use. */
  readonly usage: Pick<NodeUsage, 'put'>;
}

/** The node's lease as its session needs it. Heartbeats renew it on a connection of their own. */
export interface SessionLease {
  /** The Lease object was deleted. */
  deleted(): void;
  /** Refuses further heartbeats of this session. */
  close(): void;
}

/**
 * One node's session after its registration. Any failure ends the session; the agent sends again in the next one what was not
 * acknowledged.
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
    // Each stream that is being opened adds a listener.
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

  /** Takes note of changes of the cluster's state. */
  note(changes: readonly Change[]): void {
    const lease = `${nodeLeaseNamespace}/${this.node}`;
    if (changes.some(({ kind, key, after }) => kind === 'Lease' && key === lease && !after)) this.#lease.deleted();
    this.#events.note(changes);
    if (this.#chain.note(changes)) this.#assign.wake();
    if (changes.some((change) => change.kind === 'Node' && change.key === this.node && hasOtherCapacity(change))) {
      this.#capacity.wake();
    }
  }

  /** Aborted when the session has ended. */
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

  /** Serves until the connection or the session ends, or a loop fails. `incoming`: the messages after `register`. */
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
      case 'volumeDeleted':
        await this.#reports.take(1, this.ended);
        await releaseVolume(this.#deps, this.node, message);
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
    const deps = { ...this.#deps, ended: this.ended };
    for (let start = 0; start < updates.length; start += parallelWrites) {
      const batch = updates.slice(start, start + parallelWrites);
      await Promise.all(batch.map((update) => writePodStatus(deps, this.node, update)));
    }
  }

  /** Writes the last report again after another client has written capacity of its own, all of which is allocatable. */
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
      await writeNodeStatus({ client, ended: this.ended }, node, status);
    } catch (error) {
      if (!isRefused(error)) throw error;
      log.warn({ component: 'nodes', key: this.node, err: messageOf(error) }, 'node status refused');
    }
  }
}

function hasOtherCapacity({ before, after }: Change): boolean {
  const [was, is] = [before, after].map((node) => (node as Node | undefined)?.status?.capacity);
  return is !== undefined && !isDeepStrictEqual(was, is);
}
