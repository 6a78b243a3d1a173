import { type ControlPlane, type ControlPlaneDeps, createControlPlane } from '../../control-plane/control-plane.ts';
import { LivenessCore } from '../../control-plane/liveness/core.ts';
import { objectKey } from '../../control-plane/store/keys.ts';
import { MemoryStore } from '../../control-plane/store/memory.ts';
import { formatTime } from '../../shared/clock.ts';
import { isApiError } from '../../shared/errors.ts';
import type { Node, Pod, PodStatus } from '../../shared/generated/types.ts';
import { kindNamed } from '../../shared/kinds/index.ts';
import { silentLog } from '../../shared/log.ts';
import { seededRandom } from '../../shared/random.ts';
import { VirtualClock } from '../../shared/virtual-clock.ts';
import { BrakedStore } from './braked-store.ts';

/**
 * A control plane on a memory store and a virtual clock, with nodes that are only objects: what a test says has happened on
 * them has happened. Pods that are bound run at once, and end when they are deleted, unless their node is dead.
 */
export class HollowCluster {
  readonly clock = new VirtualClock();
  /** Its watches, lists and writes can be held, lost and failed. */
  readonly store: BrakedStore;
  readonly controlPlane: ControlPlane;
  readonly liveness: LivenessCore;
  readonly #dead = new Set<string>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** False: pods stay as they are. */
  kubelets = true;

  /** `more`: what else the control plane is given. */
  constructor(seed = 1, more: Partial<ControlPlaneDeps> = {}) {
    this.store = new BrakedStore(new MemoryStore({ clock: this.clock }));
    const common = { store: this.store, clock: this.clock, random: seededRandom(seed), log: silentLog };
    this.liveness = new LivenessCore({ ...common, server: 'test' });
    this.controlPlane = createControlPlane({
      ...common,
      liveness: this.liveness,
      holder: 'test',
      clusterCIDR: '10.64.0.0/16',
      ...more,
    });
  }

  get client() {
    return this.controlPlane.client;
  }

  async start(...nodes: string[]): Promise<this> {
    this.#running = this.controlPlane.run(this.#stop.signal);
    const ready = this.controlPlane.ready(this.#stop.signal);
    await this.clock.advance(100);
    await ready;
    this.controlPlane.informers.onChange((changes) => {
      for (const { kind, after } of changes) if (kind === 'Pod' && after) this.#act(after as Pod);
    });
    for (const node of nodes) await this.addNode(node);
    return this;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.clock.advance(1_000);
    await this.#running;
  }

  async addNode(name: string): Promise<Node> {
    await this.#renewLease(name);
    return this.#report(await this.client.create('Node', { metadata: { name }, spec: {} }));
  }

  /** A lost node's heartbeats begin again. */
  async findNode(name: string): Promise<Node> {
    this.#dead.delete(name);
    await this.#renewLease(name);
    return this.#report(await this.client.get('Node', name));
  }

  /** Without a resourceVersion: the node lifecycle controller writes the node at the same time. */
  #report({ metadata, ...node }: Node): Promise<Node> {
    const capacity = { cpu: '8', memory: '16Gi', pods: '110' };
    const time = formatTime(this.clock.now());
    const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: time }] as const;
    const status = { capacity, allocatable: capacity, conditions: [...conditions] };
    return this.client.updateStatus('Node', { ...node, metadata: { ...metadata, resourceVersion: '' }, status });
  }

  /** The node's heartbeats stop: its lease goes. */
  async loseNode(name: string): Promise<void> {
    this.#dead.add(name);
    const key = objectKey(kindNamed('Lease'), 'kube-node-lease', name);
    await this.store.txn({ guards: [], writes: [{ type: 'delete', key }] });
  }

  /** The store's pods of a namespace. */
  async pods(namespace = 'default'): Promise<Pod[]> {
    return (await this.client.list('Pod', { namespace })).items;
  }

  /** Advances the clock until `check` holds; fails after `seconds` of virtual time. */
  async until(check: () => Promise<boolean>, what: string, seconds = 120): Promise<void> {
    const end = this.clock.monotonic() + seconds * 1000;
    for (;;) {
      const checked = check();
      await this.clock.advance(50);
      if (await checked) return;
      if (this.clock.monotonic() > end) throw new Error(`${what}: not within ${seconds} s`);
    }
  }

  /** Runs a promise that waits for the virtual clock. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const finished = promise.finally(() => {
      done = true;
    });
    finished.catch(() => undefined);
    while (!done) await this.clock.advance(20);
    return finished;
  }

  async #renewLease(node: string): Promise<void> {
    const key = objectKey(kindNamed('Lease'), 'kube-node-lease', node);
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: node, namespace: 'kube-node-lease', uid: `lease-${node}` },
      spec: { holderIdentity: node, leaseDurationSeconds: 5 },
    };
    await this.store.txn({ guards: [], writes: [{ type: 'put', key, value: JSON.stringify(lease) }] });
  }

  #act(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (!this.kubelets || !nodeName || this.#dead.has(nodeName)) return;
    const { name, namespace, uid } = pod.metadata;
    const done = pod.metadata.deletionTimestamp
      ? this.client.delete('Pod', name, { namespace, gracePeriodSeconds: 0, preconditions: { uid } })
      : pod.status?.phase === 'Running' || pod.status?.phase === 'Succeeded'
        ? undefined
        : this.client.updateStatus('Pod', { ...pod, status: running(pod, formatTime(this.clock.now())) });
    done?.catch((error) => {
      if (!isApiError(error, 'NotFound', 'Conflict')) throw error;
    });
  }
}

function running(pod: Pod, time: string): PodStatus {
  const ready = { status: 'True', lastTransitionTime: time } as const;
  return {
    ...pod.status,
    phase: 'Running',
    conditions: [
      ...(pod.status?.conditions ?? []).filter(({ type }) => type === 'PodScheduled'),
      { type: 'Ready', ...ready },
      { type: 'ContainersReady', ...ready },
    ],
  };
}
