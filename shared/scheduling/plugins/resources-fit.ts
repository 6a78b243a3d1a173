import { formatBytes, formatCpu } from '../../amounts.ts';
import { type InsufficientResource, insufficientResources } from '../insufficient-resources.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Check, Plugin, Rejection } from '../plugin.ts';
import type { PodShape } from '../pod-shape.ts';

const name = 'NodeResourcesFit';

/** The requests of all pods on a node never exceed its allocatable amounts; among nodes with room, emptier ones are better. */
export const resourcesFit: Plugin = {
  name,
  scope: 'local',
  events: ['NodeChange', 'AssignedPodDelete'],
  prepare(shape) {
    // Nodes with the same reasons share one object, so that a large cluster without room costs little memory.
    const rejections = new Map<string, Rejection>();
    return {
      filter(node) {
        if (fits(shape, node)) return undefined;
        const insufficient = insufficientResources(shape.requests, node);
        const resolvable = insufficient.every(({ requested, capacity }) => requested <= capacity);
        const reasons = insufficient.map(reasonOf);
        const key = `${resolvable} ${reasons.join()}`;
        let rejection = rejections.get(key);
        if (!rejection) {
          rejection = { plugin: name, reasons, resolvable };
          rejections.set(key, rejection);
        }
        return rejection;
      },
      details: (node) => insufficientResources(shape.requests, node).map(detailOf),
      score: leastAllocated(shape),
    } satisfies Check;
  },
};

function reasonOf({ resource }: InsufficientResource): string {
  return resource === 'pods' ? 'Too many pods' : `Insufficient ${resource}`;
}

/** In the words of `coracle why`. */
function detailOf({ resource, requested, used, capacity }: InsufficientResource): string {
  if (resource === 'pods') return `full: it runs ${used} pods, the most it may`;
  const show = formats[resource] ?? String;
  if (requested > capacity) return `too small: asks ${show(requested)} ${resource}, has ${show(capacity)} in all`;
  return `${resource}: asks ${show(requested)}, free ${show(Math.max(0, capacity - used))} of ${show(capacity)}`;
}

const formats: Readonly<Record<string, (amount: number) => string>> = {
  cpu: formatCpu,
  memory: formatBytes,
  'ephemeral-storage': formatBytes,
};

/** Whether `insufficientResources` is empty, without allocating: it is called for every node and pod. */
function fits({ requests }: PodShape, { allocatable, used, allocatablePods, pods }: NodeInfo): boolean {
  if (pods.size >= allocatablePods) return false;
  if (requests.cpuMillis > 0 && requests.cpuMillis > allocatable.cpuMillis - used.cpuMillis) return false;
  if (requests.memoryBytes > 0 && requests.memoryBytes > allocatable.memoryBytes - used.memoryBytes) return false;
  if (requests.ephemeralBytes > 0 && requests.ephemeralBytes > allocatable.ephemeralBytes - used.ephemeralBytes) {
    return false;
  }
  for (const [resource, requested] of requests.other) {
    const free = (allocatable.other.get(resource) ?? 0) - (used.other.get(resource) ?? 0);
    if (requested > 0 && requested > free) return false;
  }
  return true;
}

function leastAllocated(shape: PodShape): (node: NodeInfo) => number {
  return (node) => {
    const cpu = freeShare(node.allocatable.cpuMillis, node.nonZeroCpuMillis + shape.nonZeroCpuMillis);
    const memory = freeShare(node.allocatable.memoryBytes, node.nonZeroMemoryBytes + shape.nonZeroMemoryBytes);
    return 50 * (cpu + memory);
  };
}

function freeShare(allocatable: number, taken: number): number {
  return allocatable > taken ? (allocatable - taken) / allocatable : 0;
}
