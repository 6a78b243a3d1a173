import { parseTime } from '../clock.ts';
import type { Namespace, Node, Pod } from '../generated/types.ts';
import { keyOf } from '../object.ts';
import { isPodTerminal, isPreempted } from '../pod.ts';
import { NodeInfo, type PodInfo } from './node-info.ts';
import { PodCounts } from './pod-counts.ts';
import { type PodShape, type PodTerm, shapeKey, shapeOf, termMatches } from './pod-shape.ts';
import type { Domains, ExistingTerm, PodCount, Snapshot } from './snapshot.ts';

/**
 * The nodes and what is on them, updated in place:
 *
 *   informers ──setNode, setPod, removePod──▶ ┌───────────┐
 *                                             │ NodeIndex │ ──▶ plugins (as a Snapshot)
 *   the scheduler's own placements ──assume──▶└───────────┘
 *
 * An assumed pod counts on its node from the decision on; the informer's word takes over once it shows the binding,
 * and `forget` takes it back when the binding did not come about.
 */
export class NodeIndex implements Snapshot {
  readonly slots: (NodeInfo | undefined)[] = [];
  nodeCount = 0;
  /** The slots that changed, one after another; `head` is the number of the next info. */
  readonly changes = new ChangeLog();

  readonly #nodes = new Map<string, NodeInfo>();
  readonly #freeSlots: number[] = [];
  readonly #pods = new Map<string, PodInfo>();
  readonly #shapes = new Map<string, { readonly shape: PodShape; users: number }>();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();
  readonly #counts = new PodCounts((term, shape) => this.matches(term, shape));
  readonly #domains = new Map<string, DomainTable>();
  /** How many pods on nodes have each priority. */
  readonly #priorities = new Map<number, number>();

  /** Returns whether anything that scheduling looks at has changed. */
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

  /** A namespace's labels, for terms that select namespaces by them. Returns whether they have changed. */
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

  /** Takes in a pod as it now is. A pod that has ended takes nothing and is no longer known: undefined. */
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

  /** Takes an assumption back; does nothing when the pod has been seen on a node, or is gone. */
  forget(info: PodInfo): void {
    if (!info.assumed) return;
    info.assumed = false;
    info.nominated = false;
    this.#move(info, undefined);
  }

  /** Keeps room on the node for a pod that can't go there yet. */
  nominate(info: PodInfo, node: NodeInfo): void {
    this.assume(info, node);
    info.nominated = true;
  }

  /** The same by the node's name: of that name there need not be a node (any more). */
  nominateByName(info: PodInfo, node: string): void {
    this.nominate(info, this.#state(node));
  }

  /** The least priority of all pods on nodes. */
  get lowestPriority(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const priority of this.#priorities.keys()) lowest = Math.min(lowest, priority);
    return lowest;
  }

  /** Takes a pod off its node for a moment, to see what would be; to be put back before anybody else looks. */
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
      table = new DomainTable();
      for (const state of this.slots) if (state) table.set(state.slot, state.node && state.labels[topologyKey]);
      this.#domains.set(topologyKey, table);
    }
    table.cover(this.slots.length);
    return table;
  }

  /** Lends the shape of a pod that need not be known here. */
  withShape<T>(pod: Pod, use: (shape: PodShape) => T): T {
    const shape = this.#useShape(pod);
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
      shape: this.#useShape(pod),
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

  /** Pods that are being deleted are counted apart. */
  #setDeleting(info: PodInfo, deleting: boolean): void {
    if (info.deleting === deleting) return;
    const { node } = info;
    if (node) this.#leave(info, node);
    info.deleting = deleting;
    if (node) this.#enter(info, node);
  }

  /** A changed pod may have another shape: its labels may change, and by a resize its requests. */
  #refresh(info: PodInfo, pod: Pod): void {
    const sameSpec = info.generation !== undefined && info.generation === pod.metadata.generation;
    info.generation = pod.metadata.generation;
    if (sameSpec && sameLabels(info.shape.labels, pod.metadata.labels)) return;
    const before = info.shape;
    const shape = this.#useShape(pod);
    if (shape !== before) {
      const { node } = info;
      if (node) this.#leave(info, node);
      info.shape = shape;
      if (node) this.#enter(info, node);
    }
    this.#releaseShape(before);
  }

  #move(info: PodInfo, to: NodeInfo | undefined): void {
    const from = info.node;
    if (from === to) return;
    info.node = to;
    if (from) {
      this.#leave(info, from);
      this.#dropIfEmpty(from);
    }
    if (to) this.#enter(info, to);
  }

  #enter(info: PodInfo, node: NodeInfo): void {
    node.addPod(info);
    this.#priorities.set(info.priority, (this.#priorities.get(info.priority) ?? 0) + 1);
    this.#counts.change(info, node.slot, 1);
    this.changes.add(node.slot);
  }

  #leave(info: PodInfo, node: NodeInfo): void {
    node.removePod(info);
    const others = (this.#priorities.get(info.priority) ?? 0) - 1;
    if (others > 0) this.#priorities.set(info.priority, others);
    else this.#priorities.delete(info.priority);
    this.#counts.change(info, node.slot, -1);
    this.changes.add(node.slot);
  }

  #useShape(pod: Pod): PodShape {
    const key = shapeKey(pod);
    let known = this.#shapes.get(key);
    if (!known) {
      known = { shape: shapeOf(pod, key), users: 0 };
      this.#shapes.set(key, known);
    }
    known.users++;
    return known.shape;
  }

  #releaseShape(shape: PodShape): void {
    const known = this.#shapes.get(shape.key);
    if (!known || --known.users > 0) return;
    this.#shapes.delete(shape.key);
    this.#counts.release(shape);
  }

  #state(name: string): NodeInfo {
    const known = this.#nodes.get(name);
    if (known) return known;
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

/** The last changes of nodes, so that kept results are brought up to date for just those nodes. */
export class ChangeLog {
  static readonly #size = 4_096;
  readonly #slots = new Int32Array(ChangeLog.#size);
  head = 0;

  add(slot: number): void {
    this.#slots[this.head++ % ChangeLog.#size] = slot;
  }

  /** Whether the changes from `cursor` on are still all there. */
  covers(cursor: number): boolean {
    return this.head - cursor <= ChangeLog.#size;
  }

  at(cursor: number): number {
    return this.#slots[cursor % ChangeLog.#size] ?? 0;
  }
}

/** Numbers for the values of one node label. */
class DomainTable implements Domains {
  of = new Int32Array(0);
  count = 0;
  readonly #ids = new Map<string, number>();

  set(slot: number, value: string | undefined): void {
    this.cover(slot + 1);
    this.of[slot] = value === undefined ? -1 : this.#id(value);
  }

  cover(slots: number): void {
    if (slots <= this.of.length) return;
    const grown = new Int32Array(Math.max(64, slots * 2)).fill(-1);
    grown.set(this.of);
    this.of = grown;
  }

  #id(value: string): number {
    let id = this.#ids.get(value);
    if (id === undefined) {
      id = this.count++;
      this.#ids.set(value, id);
    }
    return id;
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
