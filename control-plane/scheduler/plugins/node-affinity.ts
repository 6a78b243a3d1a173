import { nodeFilter } from '../../../shared/node-affinity.ts';
import { matchesNodeTerm } from '../../../shared/selector.ts';
import type { NodeState } from '../node-state.ts';
import type { Plugin, Rejection } from '../types.ts';

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
  prepare(shape) {
    const selects = nodeFilter(shape.spec);
    const preferred = shape.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, { weight }) => sum + weight, 0);
    if (!selects && total === 0) return undefined;
    return {
      weight: 2,
      ...(selects ? { filter: (node: NodeState) => (selects(node) ? undefined : rejection) } : {}),
      ...(total > 0
        ? {
            score(node: NodeState) {
              let sum = 0;
              for (const { weight, preference } of preferred) if (matchesNodeTerm(preference, node)) sum += weight;
              return (100 * sum) / total;
            },
          }
        : {}),
    };
  },
};
