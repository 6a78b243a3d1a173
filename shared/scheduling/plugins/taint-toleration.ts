import { tolerates, untolerated } from '../../pod.ts';
import type { Plugin } from '../plugin.ts';

const name = 'TaintToleration';

/** NoSchedule and NoExecute taints keep away whoever doesn't tolerate them; PreferNoSchedule taints make a node worse. */
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
    score(node) {
      let disliked = 0;
      for (const taint of node.taints) {
        if (taint.effect === 'PreferNoSchedule' && !tolerations?.some((one) => tolerates(one, taint))) disliked++;
      }
      return 100 / (1 + disliked);
    },
  }),
};
