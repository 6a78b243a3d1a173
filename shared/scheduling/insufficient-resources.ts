import { type Resources, resourcesOf } from '../pod.ts';

/** What a node has for pods, and what its pods request of it. */
export interface NodeResources {
  readonly allocatable: Resources;
  readonly allocatablePods: number;
  readonly used: Resources;
  readonly pods: { readonly size: number };
}

/** A resource of which a node has less left than a pod requests: cpu in thousandths, memory in bytes, others in whole units. */
export interface InsufficientResource {
  readonly resource: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** `allocatable` of a node's status. Without `pods` the node takes none. */
export function allocatableOf(
  allocatable: Readonly<Record<string, string>> = {},
): Pick<NodeResources, 'allocatable' | 'allocatablePods'> {
  const { pods = '0', ...amounts } = allocatable;
  return {
    allocatable: resourcesOf(amounts),
    allocatablePods: Number(pods) || resourcesOf({ pods }).other.get('pods') || 0,
  };
}

/** Every resource of which the node has too little left for a pod with these requests, `pods` first. */
export function insufficientResources(requests: Resources, node: NodeResources): InsufficientResource[] {
  const found: InsufficientResource[] = [];
  const check = (resource: string, requested: number, capacity: number, used: number): void => {
    if (requested > 0 && requested > capacity - used) found.push({ resource, requested, used, capacity });
  };
  const { allocatable, used } = node;
  check('pods', 1, node.allocatablePods, node.pods.size);
  check('cpu', requests.cpuMillis, allocatable.cpuMillis, used.cpuMillis);
  check('memory', requests.memoryBytes, allocatable.memoryBytes, used.memoryBytes);
  check('ephemeral-storage', requests.ephemeralBytes, allocatable.ephemeralBytes, used.ephemeralBytes);
  for (const [resource, requested] of requests.other) {
    check(resource, requested, allocatable.other.get(resource) ?? 0, used.other.get(resource) ?? 0);
  }
  return found;
}
