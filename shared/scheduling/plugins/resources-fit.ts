import type { NodeInfo } from '../node-info.ts';
import type { Check, Plugin, Rejection } from '../plugin.ts';
import type { PodShape } from '../pod-shape.ts';

const name = 'NodeResourcesFit';

/** What all pods on a node request never exceeds what it has; of those it fits on, the emptier node is the better. */
export const resourcesFit: Plugin = {
  name,
  scope: 'local',
  events: ['NodeChange', 'AssignedPodDelete'],
  prepare(shape) {
    // A pod that finds no room is told so by one object for each set of reasons, and for whether removals help: nodes differ in that.
    const rejections = new Map<string, Rejection>();
    return {
      filter(node) {
        if (fits(shape, node)) return undefined;
        const short = shortages(shape, node);
        const resolvable = short.every((one) => one.asked <= one.allocatable);
        const key = `${resolvable} ${short.map((one) => one.reason).join()}`;
        let rejection = rejections.get(key);
        if (!rejection) {
          rejection = { plugin: name, reasons: short.map((one) => one.reason), resolvable };
          rejections.set(key, rejection);
        }
        return rejection;
      },
      score: leastAllocated(shape),
    } satisfies Check;
  },
};

export interface Shortage {
  readonly resource: string;
  readonly reason: string;
  /** In the resource's unit: thousandths of a cpu, bytes, or pieces. */
  readonly asked: number;
  readonly free: number;
  readonly allocatable: number;
}

/** Every resource of which the node has too little left for the pod. */
export function shortages(shape: PodShape, node: NodeInfo): Shortage[] {
  const found: Shortage[] = [];
  const check = (resource: string, asked: number, allocatable: number, used: number, reason?: string): void => {
    const free = allocatable - used;
    if (asked <= 0 || asked <= free) return;
    found.push({ resource, reason: reason ?? `Insufficient ${resource}`, asked, free, allocatable });
  };
  const { requests } = shape;
  const { allocatable, used } = node;
  check('pods', 1, node.allocatablePods, node.pods.size, 'Too many pods');
  check('cpu', requests.cpuMillis, allocatable.cpuMillis, used.cpuMillis);
  check('memory', requests.memoryBytes, allocatable.memoryBytes, used.memoryBytes);
  check('ephemeral-storage', requests.ephemeralBytes, allocatable.ephemeralBytes, used.ephemeralBytes);
  for (const [resource, asked] of requests.other) {
    check(resource, asked, allocatable.other.get(resource) ?? 0, used.other.get(resource) ?? 0);
  }
  return found;
}

/** The same question as `shortages` with a yes or no for an answer: this one is asked for every placement. */
function fits({ requests }: PodShape, { allocatable, used, allocatablePods, pods }: NodeInfo): boolean {
  if (pods.size >= allocatablePods) return false;
  if (requests.cpuMillis > 0 && requests.cpuMillis > allocatable.cpuMillis - used.cpuMillis) return false;
  if (requests.memoryBytes > 0 && requests.memoryBytes > allocatable.memoryBytes - used.memoryBytes) return false;
  if (requests.ephemeralBytes > 0 && requests.ephemeralBytes > allocatable.ephemeralBytes - used.ephemeralBytes) {
    return false;
  }
  for (const [resource, asked] of requests.other) {
    const free = (allocatable.other.get(resource) ?? 0) - (used.other.get(resource) ?? 0);
    if (asked > 0 && asked > free) return false;
  }
  return true;
}

function leastAllocated(shape: PodShape): (node: NodeInfo) => number {
  return (node) => {
    const cpu = freeShare(node.allocatable.cpuMillis, node.likelyCpuMillis + shape.likelyCpuMillis);
    const memory = freeShare(node.allocatable.memoryBytes, node.likelyMemoryBytes + shape.likelyMemoryBytes);
    return 50 * (cpu + memory);
  };
}

function freeShare(allocatable: number, taken: number): number {
  return allocatable > taken ? (allocatable - taken) / allocatable : 0;
}
