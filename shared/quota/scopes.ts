import type { Pod, PodAffinityTerm, ResourceQuota, ScopedResourceSelectorRequirement } from '../generated/types.ts';
import { qosClass } from '../pod.ts';

/** Whether the pod is one of those that a quota counts (Kubernetes, "Quota scopes"). Without scopes: all pods are. */
export function inScope({ spec }: ResourceQuota, pod: Pod): boolean {
  return selectorsOf(spec).every((selector) => matches(selector, pod));
}

/** Whether a quota counts some pods only; other kinds are in no scope. */
export function hasScopes({ spec }: ResourceQuota): boolean {
  return selectorsOf(spec).length > 0;
}

type Requirement = Pick<ScopedResourceSelectorRequirement, 'scopeName' | 'operator' | 'values'>;

function selectorsOf(spec: ResourceQuota['spec'] | undefined): Requirement[] {
  const scopes = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' }) as Requirement);
  return [...scopes, ...(spec?.scopeSelector?.matchExpressions ?? [])];
}

function matches({ scopeName, operator, values = [] }: Requirement, { spec }: Pod): boolean {
  switch (scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined;
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return qosClass(spec) === 'BestEffort';
    case 'NotBestEffort':
      return qosClass(spec) !== 'BestEffort';
    case 'PriorityClass':
      return matchesValue(operator, values, spec.priorityClassName || undefined);
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(spec);
    default:
      return false;
  }
}

function matchesValue(operator: string, values: readonly string[], value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  const listed = value !== undefined && values.includes(value);
  return operator === 'In' ? listed : !listed;
}

function crossesNamespaces({ affinity }: Pod['spec']): boolean {
  const terms: PodAffinityTerm[] = [];
  for (const one of [affinity?.podAffinity, affinity?.podAntiAffinity]) {
    terms.push(...(one?.requiredDuringSchedulingIgnoredDuringExecution ?? []));
    for (const weighted of one?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
      terms.push(weighted.podAffinityTerm);
    }
  }
  return terms.some(({ namespaces, namespaceSelector }) => (namespaces?.length ?? 0) > 0 || namespaceSelector);
}
