import { isDeepStrictEqual } from 'node:util';
import type { LabelSelector, PolicyRule } from './generated/types.ts';
import { matchesLabels, selectorOf } from './selector.ts';

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
  const rules: PolicyRule[] = [];
  for (const selector of (role.aggregationRule?.clusterRoleSelectors ?? []).map(selectorOf)) {
    for (const { metadata, rules: own = [] } of others) {
      if (!matchesLabels(selector, metadata.labels)) continue;
      for (const rule of own) if (!rules.some((one) => isDeepStrictEqual(one, rule))) rules.push(rule);
    }
  }
  return rules;
}

function byName(a: AggregatedRole, b: AggregatedRole): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}
