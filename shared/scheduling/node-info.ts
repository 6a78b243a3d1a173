import type { Node, Taint } from '../generated/types.ts';
import { addResources, noResources, type Resources } from '../pod.ts';
import type { HostPort } from './host-ports.ts';
import { allocatableOf } from './insufficient-resources.ts';
import type { PodShape } from './pod-shape.ts';

/** A pod as the index keeps it. */
export interface PodInfo {
  readonly key: string;
  readonly uid: string;
  /** Metadata.generation and labels that the shape was taken from. */
  generation: number | undefined;
  shape: PodShape;
  /** Where it is, or is assumed to be. */
  node: NodeInfo | undefined;
  /** Placed by this scheduler and not yet seen to be there. */
  assumed: boolean;
  /** Assumed only to keep the place until those that it preempted have gone. */
  reserved: boolean;
  priority: number;
  /** Milliseconds since the epoch. */
  created: number;
  /** Status.startTime, in milliseconds since the epoch; absent: the node has not acknowledged the pod yet. */
  started: number | undefined;
  deleting: boolean;
  /** Deleting because a scheduler preempted it. */
  preempted: boolean;
}

/**
 * One node with what is taken of it, kept up in place. `version` grows with every change, `objectVersion` with every
 * change of the node itself, so that whoever keeps results for a node can tell whether they still hold.
 */
export class NodeInfo {
  readonly name: string;
  /** Its place in the tables of the index; another node may have it once this one is gone. */
  readonly slot: number;
  version = 1;
  objectVersion = 1;

  /** Absent: pods are bound to a node of this name, but there is no such node. */
  node: Node | undefined;
  labels: Readonly<Record<string, string>> = {};
  /** Those of the spec, and those that follow from being cordoned or not ready. */
  taints: readonly Taint[] = [];
  unschedulable = false;
  images: ReadonlyMap<string, number> = new Map();
  allocatable: Resources = noResources();
  allocatablePods = 0;

  readonly pods = new Set<PodInfo>();
  readonly shapes = new Map<PodShape, number>();
  /** The part of `shapes` that is being deleted. */
  readonly leaving = new Map<PodShape, number>();
  /** Pods of each spread group, without those that are being deleted. */
  readonly groups = new Map<string, number>();
  readonly ports = new Map<string, { readonly port: HostPort; count: number }>();
  readonly used: Resources = noResources();
  likelyCpuMillis = 0;
  likelyMemoryBytes = 0;

  constructor(name: string, slot: number) {
    this.name = name;
    this.slot = slot;
  }

  /** Returns whether anything that scheduling looks at has changed. */
  setNode(node: Node | undefined): boolean {
    const same = this.node !== undefined && node !== undefined && relevant(this.node) === relevant(node);
    this.node = node;
    if (same) return false;
    this.labels = node?.metadata.labels ?? {};
    this.unschedulable = node?.spec?.unschedulable === true;
    this.taints = node ? taintsOf(node) : [];
    this.images = node ? imagesOf(node) : new Map();
    const { allocatable, allocatablePods } = allocatableOf(node?.status?.allocatable);
    this.allocatable = allocatable;
    this.allocatablePods = allocatablePods;
    this.objectVersion++;
    this.version++;
    return true;
  }

  addPod(entry: PodInfo): void {
    this.pods.add(entry);
    this.#count(entry, 1);
  }

  removePod(entry: PodInfo): void {
    if (this.pods.delete(entry)) this.#count(entry, -1);
  }

  #count({ shape, deleting }: PodInfo, sign: 1 | -1): void {
    this.version++;
    addResources(this.used, shape.requests, sign);
    this.likelyCpuMillis += sign * shape.likelyCpuMillis;
    this.likelyMemoryBytes += sign * shape.likelyMemoryBytes;
    bump(this.shapes, shape, sign);
    if (deleting) bump(this.leaving, shape, sign);
    else if (shape.spreadGroup !== undefined) bump(this.groups, shape.spreadGroup, sign);
    for (const port of shape.ports) {
      const key = `${port.ip} ${port.protocol} ${port.port}`;
      const count = (this.ports.get(key)?.count ?? 0) + sign;
      if (count > 0) this.ports.set(key, { port, count });
      else this.ports.delete(key);
    }
  }
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}

/** Everything of a node that scheduling depends on, as text to compare. */
function relevant({ metadata, spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const taints = spec?.taints?.map(({ key, value, effect }) => [key, value, effect]);
  return JSON.stringify([
    metadata.uid,
    metadata.labels,
    spec?.unschedulable,
    taints,
    status?.allocatable,
    ready,
    status?.images,
  ]);
}

/**
 * A node that is not Ready counts as tainted before the node lifecycle controller has come to taint it, and so does one
 * of which no agent has told anything yet.
 */
function taintsOf({ spec, status }: Node): Taint[] {
  const taints = [...(spec?.taints ?? [])];
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const implied = ready === 'True' ? undefined : ready === 'Unknown' ? 'unreachable' : 'not-ready';
  if (implied) {
    const key = `node.kubernetes.io/${implied}`;
    if (!taints.some((taint) => taint.key === key && taint.effect !== 'PreferNoSchedule')) {
      taints.push({ key, effect: 'NoSchedule' });
    }
  }
  return taints;
}

/** Image names to sizes in bytes. */
function imagesOf({ status }: Node): Map<string, number> {
  const images = new Map<string, number>();
  for (const { names, sizeBytes = 0 } of status?.images ?? []) for (const name of names) images.set(name, sizeBytes);
  return images;
}
