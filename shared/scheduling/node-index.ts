import { parseTime } from '../clock.ts';
import type { Namespace, Node, Pod } from '../generated/types.ts';
import { keyOf } from '../object.ts';
import { isPodTerminal, isPreempted } from '../pod.ts';
import { ChangeLog } from './change-log.ts';
import { NodeInfo, type PodInfo } from './node-info.ts';
import { PodCounts } from './pod-counts.ts';
import { type PodShape, type PodTerm, termMatches } from './pod-shape.ts';
import { ShapeTable } from './shape-table.ts';
import type { Domains, ExistingTerm, PodCount, Snapshot } from './snapshot.ts';
import { TopologyDomains } from './topology-domains.ts';
import { VolumeIndex } from './volume-index.ts';

/**
 * The nodes and the pods on them, updated in place (kube-scheduler's cache):
 *
 *   informers ──setNode, setPod, removePod──▶ ┌───────────┐
 *                                             │ NodeIndex │ ──▶ plugins (as a Snapshot)
 *   scheduling cycles ─────────────assume───▶ └───────────┘
 *
 * An assumed pod counts on its node from the decision on, until `setPod` delivers its binding, or `forget` reverts it.
 */
export class NodeIndex implements Snapshot {
  readonly slots: (NodeInfo | undefined)[] = [];
  nodeCount = 0;
  readonly changes = new ChangeLog();
  readonly volumes = new VolumeIndex();

  readonly #nodes = new Map<string, NodeInfo>();
  readonly #freeSlots: number[] = [];
  readonly #pods = new Map<string, PodInfo>();
  readonly #shapes = new ShapeTable();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();
  readonly #counts = new PodCounts((term, shape) => this.matches(term, shape));
  readonly #domains = new Map<string, TopologyDomains>();
  /** How many pods on nodes have each priority. */
  readonly #priorities = new Map<number, number>();

  /** Returns whether anything that scheduling reads has changed. */
  setNode(node: Node): boolean {
    const state = this.#state(node.metadata.name);
    if (!state.node) this.nodeCount++;
    if (!state.setNode(node)) return false;
    for (const [key, table] of this.#domains) table.set(state.slot, state.labels[key]);
    this.changes.add(state.slot);
    return true;
  }

  removeNode(name: string): void {
    const state = this.#nodes.get(name);
    if (!state?.node) return;
    this.nodeCount--;
    state.setNode(undefined);
    for (const table of this.#domains.values()) table.set(state.slot, undefined);
    this.changes.add(state.slot);
    this.#dropIfEmpty(state);
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  /** Keeps the namespace's labels for terms that select namespaces. Returns whether they have changed. */
  setNamespace(namespace: Namespace): boolean {
    const { name, labels = {} } = namespace.metadata;
    const before = this.#namespaces.get(name);
    if (before && sameLabels(before, labels)) return false;
    this.#namespaces.set(name, labels);
    this.#counts.clear();
    return true;
  }

  removeNamespace(name: string): boolean {
    if (!this.#namespaces.delete(name)) return false;
    this.#counts.clear();
    return true;
  }

  /** Adds or updates a pod. A terminal pod takes nothing and is removed: undefined. */
  setPod(pod: Pod): PodInfo | undefined {
    const key = keyOf(pod);
    let info = this.#pods.get(key);
    if (info && info.uid !== pod.metadata.uid) {
      this.removePod(key);
      info = undefined;
    }
    if (isPodTerminal(pod)) {
      if (info) this.removePod(key);
      return undefined;
    }
    if (!info) {
      info = this.#newEntry(key, pod);
      this.#pods.set(key, info);
    } else {
      this.#refresh(info, pod);
    }
    this.#setDeleting(info, pod.metadata.deletionTimestamp !== undefined);
    info.started = parseTime(pod.status?.startTime);
    info.preempted = info.deleting && isPreempted(pod);
    const name = pod.spec.nodeName;
    if (!name) return info;
    info.assumed = false;
    info.nominated = false;
    if (info.node?.name !== name) this.#move(info, this.#state(name));
    return info;
  }

  removePod(key: string): PodInfo | undefined {
    const info = this.#pods.get(key);
    if (!info) return undefined;
    this.#pods.delete(key);
    this.#move(info, undefined);
    this.#releaseShape(info.shape);
    return info;
  }

  pod(key: string): PodInfo | undefined {
    return this.#pods.get(key);
  }

  /** Counts the pod on the node from now on. */
  assume(info: PodInfo, node: NodeInfo): void {
    info.assumed = true;
    info.nominated = false;
    this.#move(info, node);
  }

  /** Reverts `assume` and `nominate`. Does nothing once `setPod` has delivered the binding. */
  forget(info: PodInfo): void {
    if (!info.assumed) return;
    info.assumed = false;
    info.nominated = false;
    this.#move(info, undefined);
  }

  /** Keeps room on the node for a pod that waits for preemption victims to end. */
  nominate(info: PodInfo, node: NodeInfo): void {
    this.assume(info, node);
    info.nominated = true;
  }

  /** The same by name. The node need not exist. */
  nominateByName(info: PodInfo, node: string): void {
    this.nominate(info, this.#state(node));
  }

  /** The lowest priority of all pods on nodes. */
  get lowestPriority(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const priority of this.#priorities.keys()) lowest = Math.min(lowest, priority);
    return lowest;
  }

  /** Removes a pod from its node to try a preemption. The caller undoes it before it returns. */
  simulateRemoval(info: PodInfo): void {
    this.#move(info, undefined);
  }

  undoRemoval(info: PodInfo, node: NodeInfo): void {
    this.#move(info, node);
  }

  count(terms: readonly PodTerm[], user: PodShape, among: 'all' | 'staying' = 'all'): PodCount {
    return this.#counts.count(terms, user, among, this.slots);
  }

  existingTerms(shape: PodShape): readonly ExistingTerm[] {
    return this.#counts.existingTerms(shape);
  }

  matches(term: PodTerm, shape: PodShape): boolean {
    return termMatches(term, shape, (name) => this.#namespaces.get(name));
  }

  domains(topologyKey: string): Domains {
    let table = this.#domains.get(topologyKey);
    if (!table) {
      table = new TopologyDomains();
      for (const state of this.slots) if (state) table.set(state.slot, state.node && state.labels[topologyKey]);
      this.#domains.set(topologyKey, table);
    }
    table.cover(this.slots.length);
    return table;
  }

  /** Calls `use` with the shape of a pod that need not be in the index. */
  withShape<T>(pod: Pod, use: (shape: PodShape) => T): T {
    const shape = this.#shapes.use(pod);
    try {
      return use(shape);
    } finally {
      this.#releaseShape(shape);
    }
  }

  #newEntry(key: string, pod: Pod): PodInfo {
    return {
      key,
      uid: pod.metadata.uid,
      generation: pod.metadata.generation,
      shape: this.#shapes.use(pod),
      node: undefined,
      assumed: false,
      nominated: false,
      priority: pod.spec.priority ?? 0,
      created: parseTime(pod.metadata.creationTimestamp) ?? Number.POSITIVE_INFINITY,
      started: undefined,
      deleting: false,
      preempted: false,
    };
  }

  /** Terminating pods are counted apart. */
  #setDeleting(info: PodInfo, deleting: boolean): void {
    if (info.deleting === deleting) return;
    const { node } = info;
    if (node) this.#removeFrom(info, node);
    info.deleting = deleting;
    if (node) this.#addTo(info, node);
  }

  /** Labels may change, and requests by a resize: the pod then has another shape. */
  #refresh(info: PodInfo, pod: Pod): void {
    const sameSpec = info.generation !== undefined && info.generation === pod.metadata.generation;
    info.generation = pod.metadata.generation;
    if (sameSpec && sameLabels(info.shape.labels, pod.metadata.labels)) return;
    const before = info.shape;
    const shape = this.#shapes.use(pod);
    if (shape !== before) {
      const { node } = info;
      if (node) this.#removeFrom(info, node);
      info.shape = shape;
      if (node) this.#addTo(info, node);
    }
    this.#releaseShape(before);
  }

  #move(info: PodInfo, to: NodeInfo | undefined): void {
    const from = info.node;
    if (from === to) return;
    info.node = to;
    if (from) {
      this.#removeFrom(info, from);
      this.#dropIfEmpty(from);
    }
    if (to) this.#addTo(info, to);
  }

  #addTo(info: PodInfo, node: NodeInfo): void {
    node.addPod(info);
    this.#priorities.set(info.priority, (this.#priorities.get(info.priority) ?? 0) + 1);
    this.#counts.change(info, node.slot, 1);
    if (info.shape.spec.claims) this.volumes.use(info.shape, 1);
    this.changes.add(node.slot);
  }

  #removeFrom(info: PodInfo, node: NodeInfo): void {
    node.removePod(info);
    const others = (this.#priorities.get(info.priority) ?? 0) - 1;
    if (others > 0) this.#priorities.set(info.priority, others);
    else this.#priorities.delete(info.priority);
    this.#counts.change(info, node.slot, -1);
    if (info.shape.spec.claims) this.volumes.use(info.shape, -1);
    this.changes.add(node.slot);
  }

  #releaseShape(shape: PodShape): void {
    if (this.#shapes.release(shape)) this.#counts.release(shape);
  }

  #state(name: string): NodeInfo {
    const existing = this.#nodes.get(name);
    if (existing) return existing;
    const slot = this.#freeSlots.pop() ?? this.slots.length;
    const state = new NodeInfo(name, slot);
    this.slots[slot] = state;
    this.#nodes.set(name, state);
    for (const table of this.#domains.values()) table.set(slot, undefined);
    this.#counts.cover(this.slots.length);
    this.changes.add(slot);
    return state;
  }

  #dropIfEmpty(state: NodeInfo): void {
    if (state.node || state.pods.size > 0) return;
    this.#nodes.delete(state.name);
    this.slots[state.slot] = undefined;
    this.#freeSlots.push(state.slot);
    this.changes.add(state.slot);
  }
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>> = {}): boolean {
  let left = 0;
  for (const key in a) {
    if (a[key] !== b[key]) return false;
    left++;
  }
  for (const _ in b) left--;
  return left === 0;
}
