import type { Plugin } from '../plugin.ts';

/**
 * Pods of one controller go to different nodes: each that is already there and stays makes the node worse, the first the most.
 * The scale is the node's own, not a comparison with other nodes, so that a placement changes one score only.
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
