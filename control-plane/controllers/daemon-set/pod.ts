import type { Affinity, DaemonSet, NodeSelectorTerm, PodSpec, Toleration } from '../../../shared/generated/types.ts';
import { type PodDraft, podFromTemplate } from '../owned-pods/owned-pods.ts';

/** The label with the hash of the template that a pod was created from. */
export const revisionLabel = 'controller-revision-hash';

/** The pod for one node: the scheduler binds it, limited to the node by its required node affinity. */
export function daemonPod(owner: DaemonSet, node: string, hash: string): PodDraft {
  const draft = podFromTemplate(owner, owner.spec.template);
  const { spec } = draft;
  return {
    ...draft,
    metadata: { ...draft.metadata, labels: { ...draft.metadata.labels, [revisionLabel]: hash } },
    spec: { ...spec, tolerations: daemonTolerations(spec), affinity: pinnedTo(node, spec.affinity) },
  };
}

/**
 * The template's tolerations with those of all daemon pods (Kubernetes, "Taints and tolerations" of DaemonSets): they stay on nodes that
 * are not ready, and run on cordoned ones and under pressure.
 */
export function daemonTolerations({ tolerations = [], hostNetwork }: PodSpec): Toleration[] {
  const added: Toleration[] = [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
    ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map(
      (name): Toleration => ({ key: `node.kubernetes.io/${name}`, operator: 'Exists', effect: 'NoSchedule' }),
    ),
  ];
  if (hostNetwork) {
    added.push({ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' });
  }
  const own = tolerations.filter(
    ({ key, effect, tolerationSeconds, operator }) =>
      !added.some((one) => one.key === key && one.effect === effect && operator === 'Exists' && !tolerationSeconds),
  );
  return [...own, ...added];
}

/** The affinity with its required node terms replaced by the node's name (Kubernetes' ReplaceDaemonSetPodNodeNameNodeAffinity). */
function pinnedTo(node: string, affinity: Affinity | undefined): Affinity {
  const term: NodeSelectorTerm = {
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }],
  };
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
    },
  };
}

/** The node that a pod is for: the one that it is bound to, or the one in its node affinity. */
export function targetNode({ spec }: { readonly spec: PodSpec }): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? []) {
    const field = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (field?.values?.length === 1) return field.values[0];
  }
  return undefined;
}
