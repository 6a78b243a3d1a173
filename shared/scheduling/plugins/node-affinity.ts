import { matchesLabels, matchesNodeSelector, matchesNodeTerm, selectorOfMap } from '../../selector.ts';
import { nodeFilter } from '../node-affinity.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Check, Plugin, Rejection } from '../plugin.ts';
import type { ShapeSpec } from '../pod-shape.ts';

const name = 'NodeAffinity';
const rejection: Rejection = {
  plugin: name,
  reasons: ["node(s) didn't match Pod's node affinity/selector"],
  resolvable: false,
};

/** The pod's node selector and its required node affinity select nodes; its preferred affinity ranks them. */
export const nodeAffinity: Plugin = {
  name,
  scope: 'node',
  events: ['NodeChange'],
  prepare({ spec }) {
    const selects = nodeFilter(spec);
    const preferred = spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, { weight }) => sum + weight, 0);
    if (!selects && total === 0) return undefined;
    const filter: Check['filter'] = (node) => (selects?.(node) === false ? rejection : undefined);
    const score: Check['score'] = (node) => {
      let sum = 0;
      for (const { weight, preference } of preferred) if (matchesNodeTerm(preference, node)) sum += weight;
      return (100 * sum) / total;
    };
    return {
      weight: 2,
      ...(selects ? { filter, details: (node: NodeInfo) => detailsOf(spec, node) } : {}),
      ...(total > 0 ? { score } : {}),
    };
  },
};

function detailsOf({ nodeSelector = {}, affinity }: ShapeSpec, node: NodeInfo): string[] {
  const missing = Object.entries(nodeSelector)
    .filter(([key, value]) => !matchesLabels(selectorOfMap({ [key]: value }), node.labels))
    .map(([key, value]) => `${key}=${value}`);
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const matches = !required || matchesNodeSelector(required, node);
  return [
    ...(missing.length > 0 ? [`has not the label ${missing.join(', ')}`] : []),
    ...(matches ? [] : ["does not match the pod's node affinity"]),
  ];
}
