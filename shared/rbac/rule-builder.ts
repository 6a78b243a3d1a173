import type { PolicyRule } from '../generated/types.ts';

export const read = ['get', 'list', 'watch'] as const;
export const write = ['create', 'delete', 'deletecollection', 'patch', 'update'] as const;
export const readWrite = [...read, ...write] as const;
export const modify = ['patch', 'update'] as const;

/** The groups of Deployments, ReplicaSets and DaemonSets in Kubernetes' own roles. */
export const workloadGroups = ['apps', 'extensions'] as const;

/** A rule for resources of a group or several, each list in order; last, when it is for some objects only, their names. */
export function allow(
  verbs: readonly string[],
  groups: string | readonly string[],
  ...resources: readonly (string | { readonly names: readonly string[] })[]
): PolicyRule {
  const named = resources.find((one) => typeof one !== 'string');
  return {
    apiGroups: [groups].flat().sort(),
    ...(named ? { resourceNames: [...named.names].sort() } : {}),
    resources: resources.filter((one) => typeof one === 'string').sort(),
    verbs: [...verbs].sort(),
  };
}

/** A rule for non-resource paths. */
export function allowPaths(verbs: readonly string[], ...paths: readonly string[]): PolicyRule {
  return { nonResourceURLs: [...paths].sort(), verbs: [...verbs].sort() };
}

/** Writes events. */
export const events: PolicyRule = allow(['create', ...modify], ['', 'events.k8s.io'], 'events');
