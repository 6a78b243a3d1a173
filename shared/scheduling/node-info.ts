import type { Node, Taint } from '../generated/types.ts';
import { readyCondition } from '../node.ts';
import { addResources, noResources, type Resources } from '../pod.ts';
import { localVolumesAnnotation } from '../storage/local.ts';
import type { HostPort } from './host-ports.ts';
import { allocatableOf } from './insufficient-resources.ts';
import type { PodShape } from './pod-shape.ts';

/** A pod in the index. */
export interface PodInfo {
  readonly key: string;
  readonly uid: string;
  /** The metadata.generation that the shape was computed from. */
  generation: number | undefined;
  shape: PodShape;
  /** The node that it is on, or assumed to be on. */
  node: NodeInfo | undefined;
  /** Decided by this scheduler, and not yet delivered by the informer. */
  assumed: boolean;
  /** Assumed only to keep room until its preemption victims have ended. */
  nominated: boolean;
  priority: number;
  /** Milliseconds since the epoch. */
  created: number;
  /** Status.startTime, in milliseconds since the epoch; absent: the agent has not acknowledged the pod yet. */
  started: number | undefined;
  deleting: boolean;
  /** Deleting because a scheduler preempted it. */
  preempted: boolean;
}

/** The node on which room is kept for a nominated pod. */
export function nominatedNodeName({ nominated, node }: PodInfo): string | undefined {
  return nominated ? node?.name : undefined;
}

/**
 * A node and what its pods take, updated in place. `version` grows with every change, `objectVersion` with every change of the Node object,
 * so that cached results for a node can be checked.
 */
export class NodeInfo {
  readonly name: string;
  /** Its position in the arrays of the index; reused once the node is gone. */
  readonly slot: number;
  version = 1;
  objectVersion = 1;

  /** Absent: pods are bound to a node of this name that does not exist. */
  node: Node | undefined;
  labels: Readonly<Record<string, string>> = {};
  /** Those of the spec, and one that follows from a node that is not ready. */
  taints: readonly Taint[] = [];
  unschedulable = false;
  images: ReadonlyMap<string, number> = new Map();
  allocatable: Resources = noResources();
  allocatablePods = 0;

  readonly pods = new Set<PodInfo>();
  readonly shapes = new Map<PodShape, number>();
  /** The part of `shapes` that is terminating. */
  readonly terminating = new Map<PodShape, number>();
  /** Pods of each spread group, without terminating ones. */
  readonly groups = new Map<string, number>();
  readonly ports = new Map<string, { readonly port: HostPort; count: number }>();
  readonly used: Resources = noResources();
  nonZeroCpuMillis = 0;
  nonZeroMemoryBytes = 0;

  constructor(name: string, slot: number) {
    this.name = name;
    this.slot = slot;
  }

  /** Returns whether anything that scheduling reads has changed. */
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

  addPod(info: PodInfo): void {
    this.pods.add(info);
    this.#count(info, 1);
  }

  removePod(info: PodInfo): void {
    if (this.pods.delete(info)) this.#count(info, -1);
  }

  #count({ shape, deleting }: PodInfo, sign: 1 | -1): void {
    this.version++;
    addResources(this.used, shape.requests, sign);
    this.nonZeroCpuMillis += sign * shape.nonZeroCpuMillis;
    this.nonZeroMemoryBytes += sign * shape.nonZeroMemoryBytes;
    bump(this.shapes, shape, sign);
    if (deleting) bump(this.terminating, shape, sign);
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

/** All that scheduling reads of a node, as text to compare. */
function relevant(node: Node): string {
  const { metadata, spec, status } = node;
  const ready = readyCondition(node)?.status;
  const taints = spec?.taints?.map(({ key, value, effect }) => [key, value, effect]);
  return JSON.stringify([
    metadata.uid,
    metadata.labels,
    metadata.annotations?.[localVolumesAnnotation],
    spec?.unschedulable,
    taints,
    status?.allocatable,
    ready,
    status?.images,
  ]);
}

/** A node that is not Ready, or has no Ready condition yet, counts as tainted before the node lifecycle controller taints it. */
function taintsOf(node: Node): Taint[] {
  const taints = [...(node.spec?.taints ?? [])];
  const ready = readyCondition(node)?.status;
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
