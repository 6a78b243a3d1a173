import type { PodSpec } from '../generated/types.ts';
import { matchesLabels, matchesNodeSelector, selectorOfMap } from '../selector.ts';

type NodeLabels = Parameters<typeof matchesNodeSelector>[1];

/** Whether the pod's node selector and required node affinity select a node; undefined when the pod takes any. */
export function nodeFilter(
  spec: Pick<PodSpec, 'nodeSelector' | 'affinity'>,
): ((node: NodeLabels) => boolean) | undefined {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const selector = spec.nodeSelector && selectorOfMap(spec.nodeSelector);
  if (!required && !selector) return undefined;
  return (node) =>
    (!selector || matchesLabels(selector, node.labels)) && (!required || matchesNodeSelector(required, node));
}
