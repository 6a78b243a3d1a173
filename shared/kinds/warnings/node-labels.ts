import type { LabelSelector, NodeSelectorTerm } from '../../generated/types.ts';

/** Deprecated labels of nodes, with Kubernetes' warning. */
const deprecated: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** The warning for a node's label, if any. */
export function labelAdvice(key: string): string | undefined {
  return deprecated.get(key);
}

/** `field`: the path of the term. */
export function termWarnings({ matchExpressions = [] }: NodeSelectorTerm, field: string): string[] {
  return expressionWarnings(matchExpressions, field);
}

/** Of a selector of nodes by their labels. */
export function nodeSelectorWarnings({ matchExpressions = [], matchLabels = {} }: LabelSelector, field: string) {
  const labels = Object.keys(matchLabels).flatMap((key) => {
    const advice = labelAdvice(key);
    return advice ? [`${field}.matchLabels.${key}: ${advice}`] : [];
  });
  return [...expressionWarnings(matchExpressions, field), ...labels];
}

function expressionWarnings(expressions: readonly { readonly key: string }[], field: string): string[] {
  return expressions.flatMap(({ key }, index) => {
    const advice = labelAdvice(key);
    return advice ? [`${field}.matchExpressions[${index}].key: ${key} is ${advice}`] : [];
  });
}
