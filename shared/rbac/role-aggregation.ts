import type { LabelSelector, PolicyRule } from '../generated/types.ts';
import { matchesLabels, selectorOf } from '../selector.ts';

/** What matters of a ClusterRole. */
export interface AggregatedRole {
  readonly metadata: { readonly name?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly rules?: readonly PolicyRule[];
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly LabelSelector[] };
}

/**
 * The rules of an aggregated role: those of every other role that its selectors pick, by selector and then by name, each rule once
 * (Kubernetes' clusterrole-aggregation-controller). A role that is picked may itself be aggregated: its present rules count.
 */
export function aggregatedRules(role: AggregatedRole, all: Iterable<AggregatedRole>): PolicyRule[] {
  const others = [...all].filter(({ metadata }) => metadata.name !== role.metadata.name).sort(byName);
  const rules = new Map<string, PolicyRule>();
  const taken = new Set<AggregatedRole>();
  for (const selector of (role.aggregationRule?.clusterRoleSelectors ?? []).map(selectorOf)) {
    for (const other of others) {
      if (taken.has(other) || !matchesLabels(selector, other.metadata.labels)) continue;
      taken.add(other);
      for (const rule of other.rules ?? []) {
        const key = ruleKey(rule);
        if (!rules.has(key)) rules.set(key, rule);
      }
    }
  }
  return [...rules.values()];
}

/** Equal for rules that are. */
function ruleKey({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): string {
  return JSON.stringify([verbs, apiGroups, resources, resourceNames, nonResourceURLs]);
}

function byName(a: AggregatedRole, b: AggregatedRole): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
