import type { Taint } from '../../generated/types.ts';
import { tolerates } from '../../pod.ts';
import type { Plugin, Rejection } from '../plugin.ts';

const name = 'NodeUnschedulable';
const rejection: Rejection = { plugin: name, reasons: ['node(s) were unschedulable'], resolvable: false };

/** A cordoned node takes only pods that tolerate the taint `node.kubernetes.io/unschedulable`. */
export const nodeUnschedulable: Plugin = {
  name,
  scope: 'node',
  events: ['NodeChange'],
  prepare({ spec: { tolerations } }) {
    const taint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    if (tolerations?.some((toleration) => tolerates(toleration, taint))) return undefined;
    return { filter: (node) => (node.unschedulable ? rejection : undefined), details: () => ['cordoned'] };
  },
};
