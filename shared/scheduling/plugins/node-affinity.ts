import { matchesNodeTerm } from '../../selector.ts';
import { nodeFilter } from '../node-affinity.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Plugin, Rejection } from '../plugin.ts';

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
  prepare(shape) {
    const selects = nodeFilter(shape.spec);
    const preferred = shape.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, { weight }) => sum + weight, 0);
    if (!selects && total === 0) return undefined;
    return {
      weight: 2,
      ...(selects ? { filter: (node: NodeInfo) => (selects(node) ? undefined : rejection) } : {}),
      ...(total > 0
        ? {
            score(node: NodeInfo) {
              let sum = 0;
              for (const { weight, preference } of preferred) if (matchesNodeTerm(preference, node)) sum += weight;
              return (100 * sum) / total;
            },
          }
        : {}),
    };
  },
};
