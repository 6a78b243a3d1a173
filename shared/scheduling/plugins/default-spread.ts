import type { Plugin } from '../plugin.ts';

/**
 * Spreads the pods of one controller over the nodes: each one on a node makes it worse, the first one the most. Terminating pods do not
 * count. The score depends on the node alone, so that a placement changes one score.
 */
export const defaultSpread: Plugin = {
  name: 'DefaultSpread',
  scope: 'local',
  events: [],
  prepare({ spreadGroup }) {
    if (spreadGroup === undefined) return undefined;
    return { weight: 2, score: (node) => 100 / (1 + (node.groups.get(spreadGroup) ?? 0)) };
  },
};
