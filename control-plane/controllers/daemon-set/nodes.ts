import type { DaemonSet, Node } from '../../../shared/generated/types.ts';
import { untolerated } from '../../../shared/pod.ts';
import { nodeFilter } from '../../../shared/scheduling/node-affinity.ts';
import { daemonTolerations } from './pod.ts';

/** Whether a node should get a pod of a DaemonSet, and whether a pod that it has may stay (Kubernetes' NodeShouldRunDaemonPod). */
export interface NodeEligibility {
  readonly shouldRun: boolean;
  readonly mayStay: boolean;
}

const neither: NodeEligibility = { shouldRun: false, mayStay: false };

/**
 * Decides by the template's node name, node selector, node affinity and tolerations, which are read once for all nodes. Resources and
 * ports are left to the scheduler.
 */
export function nodeEligibility({ spec: { template } }: DaemonSet): (node: Node) => NodeEligibility {
  const { spec } = template;
  const selects = nodeFilter(spec);
  const tolerations = daemonTolerations(spec);
  return ({ metadata: { name, labels = {} }, spec: { taints = [] } }) => {
    if (spec.nodeName && spec.nodeName !== name) return neither;
    if (selects && !selects({ name, labels })) return neither;
    if (!untolerated(taints, tolerations)) return { shouldRun: true, mayStay: true };
    return { shouldRun: false, mayStay: !untolerated(taints, tolerations, ['NoExecute']) };
  };
}
