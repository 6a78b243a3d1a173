import type { Pod } from '../../shared/generated/types.ts';
import { podRequests, type QosClass, qosClass } from '../../shared/pod.ts';
import type { InsufficientResource } from '../../shared/scheduling/insufficient-resources.ts';

/** From this priority on a pod is critical (Kubernetes, `SystemCriticalPriority`). */
const criticalPriority = 2_000_000_000;

export function isCritical({ spec }: Pod): boolean {
  return (spec.priority ?? 0) >= criticalPriority;
}

/**
 * The victims of a critical pod (the kubelet's `preemption.go`): of each QoS class the fewest, guaranteed pods only where all others
 * together are not enough. When all victims are not enough: what would still be missing, by resource.
 */
export function podsToPreempt(
  pod: Pod,
  others: readonly Pod[],
  shortages: readonly InsufficientResource[],
): Pod[] | Missing {
  const missing: Missing = new Map(
    shortages.map(({ resource, requested, used, capacity }) => [resource, requested - (capacity - used)]),
  );
  const preemptable = others.filter(({ spec }) => (spec.priority ?? 0) < (pod.spec.priority ?? 0));
  const stillMissing = without(missing, preemptable);
  if (stillMissing.size > 0) return stillMissing;
  const of = (qos: QosClass): Pod[] => preemptable.filter(({ spec }) => qosClass(spec) === qos);
  const [bestEffort, burstable, guaranteed] = [of('BestEffort'), of('Burstable'), of('Guaranteed')];
  const costly = nearest(guaranteed, without(missing, [...bestEffort, ...burstable]));
  const middle = nearest(burstable, without(missing, [...bestEffort, ...costly]));
  const cheap = nearest(bestEffort, without(missing, [...middle, ...costly]));
  return [...cheap, ...middle, ...costly];
}

/** The amounts that have to be freed, by resource. */
export type Missing = ReadonlyMap<string, number>;

function without(missing: Missing, pods: readonly Pod[]): Missing {
  const left = new Map<string, number>();
  for (const [resource, amount] of missing) {
    const rest = amount - pods.reduce((sum, pod) => sum + requestOf(pod, resource), 0);
    if (rest > 0) left.set(resource, rest);
  }
  return left;
}

/** Takes the pod that leaves the least missing, until nothing is missing; of equal ones that with the smaller request. */
function nearest(pods: readonly Pod[], missing: Missing): Pod[] {
  const taken: Pod[] = [];
  const left = new Set(pods);
  for (let rest = missing; rest.size > 0; ) {
    const [best] = [...left].sort(
      (a, b) =>
        distance(a, rest) - distance(b, rest) ||
        requestOf(a, 'memory') - requestOf(b, 'memory') ||
        requestOf(a, 'cpu') - requestOf(b, 'cpu'),
    );
    if (!best) return taken;
    left.delete(best);
    taken.push(best);
    rest = without(rest, [best]);
  }
  return taken;
}

/** The sum of the squared shares of the missing amounts that the pod leaves. */
function distance(pod: Pod, missing: Missing): number {
  let sum = 0;
  for (const [resource, amount] of missing) {
    const rest = amount - requestOf(pod, resource);
    if (rest > 0) sum += (rest / amount) ** 2;
  }
  return sum;
}

function requestOf({ spec }: Pod, resource: string): number {
  if (resource === 'pods') return 1;
  const { cpuMillis, memoryBytes, ephemeralBytes, other } = podRequests(spec);
  const own: Record<string, number> = { cpu: cpuMillis, memory: memoryBytes, 'ephemeral-storage': ephemeralBytes };
  return own[resource] ?? other.get(resource) ?? 0;
}
