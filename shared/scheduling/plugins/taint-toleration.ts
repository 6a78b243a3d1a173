import type { Taint } from '../../generated/types.ts';
import { readyCondition } from '../../node.ts';
import { tolerates, untolerated } from '../../pod.ts';
import type { NodeInfo } from '../node-info.ts';
import type { Plugin } from '../plugin.ts';

const name = 'TaintToleration';

/** A node with NoSchedule or NoExecute taints takes only pods that tolerate them; PreferNoSchedule taints make it worse. */
export const taintToleration: Plugin = {
  name,
  scope: 'node',
  events: ['NodeChange'],
  prepare: ({ spec: { tolerations } }) => ({
    weight: 3,
    filter(node) {
      const taint = untolerated(node.taints, tolerations);
      if (!taint) return undefined;
      const reason = `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
      return { plugin: name, reasons: [reason], resolvable: false };
    },
    details: (node) =>
      node.taints.filter((taint) => untolerated([taint], tolerations)).map((taint) => detailOf(taint, node)),
    score(node) {
      let disliked = 0;
      for (const taint of node.taints) {
        if (taint.effect === 'PreferNoSchedule' && !tolerations?.some((one) => tolerates(one, taint))) disliked++;
      }
      return 100 / (1 + disliked);
    },
  }),
};

function detailOf({ key, value, effect }: Taint, { node }: NodeInfo): string {
  if (key === 'node.kubernetes.io/unschedulable') return 'cordoned';
  if (key === 'node.kubernetes.io/not-ready' || key === 'node.kubernetes.io/unreachable') {
    const message = node && readyCondition(node)?.message;
    return `not ready${message ? ` (${message})` : ''}`;
  }
  return `taint ${key}${value ? `=${value}` : ''}:${effect} is not tolerated`;
}
