import type { Pod, Taint } from '../../shared/generated/types.ts';
import { addResources, noResources, podRequests, type Resources, untolerated } from '../../shared/pod.ts';
import { hostPorts, portsCollide } from '../../shared/scheduling/host-ports.ts';
import {
  allocatableOf,
  type InsufficientResource,
  insufficientResources,
} from '../../shared/scheduling/insufficient-resources.ts';
import { nodeFilter } from '../../shared/scheduling/node-affinity.ts';
import { wrongSystem } from './features.ts';
import type { Refusal } from './refusal.ts';

/** What admission reads of the node. */
export interface NodeView {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** By resource, as quantities. */
  readonly allocatable: Readonly<Record<string, string>>;
}

export interface Verdict {
  /** In the kubelet's order. */
  readonly shortages: readonly InsufficientResource[];
  /** Failed predicates that preemption does not help against. */
  readonly refusals: readonly Refusal[];
}

/**
 * Whether the node admits the pod beside its active pods (`others`): the kubelet's general predicates (`lifecycle/predicate.go`). As
 * there, extended resources that the node does not have are ignored.
 */
export function admitPod({ spec }: Pod, others: readonly Pod[], node: NodeView): Verdict {
  const wrong = wrongSystem(spec);
  if (wrong) return { shortages: [], refusals: [wrong] };
  const refusals: Refusal[] = [];
  const refuse = (predicate: string, why: string): void => {
    refusals.push({ reason: predicate, message: `Predicate ${predicate} failed: ${why}` });
  };
  const selects = nodeFilter(spec);
  if (selects && !selects(node)) refuse('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  const taken = others.flatMap((other) => hostPorts(other.spec));
  if (hostPorts(spec).some((wanted) => taken.some((port) => portsCollide(wanted, port)))) {
    refuse('NodePorts', "node(s) didn't have free ports for the requested pod ports");
  }
  if (untolerated(node.taints, spec.tolerations, ['NoExecute'])) {
    refuse('TaintToleration', "node(s) had taints that the pod didn't tolerate");
  }
  return { shortages: shortagesOf(podRequests(spec), others, node), refusals };
}

/** The rejection for a shortage, in the kubelet's words. */
export function outOf({ resource, requested, used, capacity }: InsufficientResource): Refusal {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

function shortagesOf(requests: Resources, others: readonly Pod[], node: NodeView): InsufficientResource[] {
  const used = noResources();
  for (const { spec } of others) addResources(used, podRequests(spec));
  const allocatable = allocatableOf(node.allocatable);
  const has = allocatable.allocatable.other;
  const other = new Map([...requests.other].filter(([resource]) => has.has(resource)));
  return insufficientResources({ ...requests, other }, { ...allocatable, used, pods: { size: others.length } });
}
