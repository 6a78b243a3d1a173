import type { Taint } from '../../generated/types.ts';
import { tolerates } from '../../pod.ts';
import type { Plugin, Rejection } from '../plugin.ts';

const name = 'NodeUnschedulable';
const rejection: Rejection = { plugin: name, reasons: ['node(s) were unschedulable'], resolvable: false };

/** A cordoned node takes no pods but those that tolerate the taint of being cordoned. */
export const nodeUnschedulable: Plugin = {
  name,
  scope: 'node',
  events: ['NodeChange'],
  prepare({ spec }) {
    const taint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    if (spec.tolerations?.some((toleration) => tolerates(toleration, taint))) return undefined;
    return { filter: (node) => (node.unschedulable ? rejection : undefined) };
  },
};
