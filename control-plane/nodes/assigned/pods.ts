import type { Pod } from '../../../shared/generated/types.ts';
import { podReferences } from '../../../shared/pod-references.ts';
import type { AssignedKind } from './assigned-kind.ts';

/** The pods that are bound to the node. */
export const assignedPods: AssignedKind<'Pod', Pod> = {
  kind: 'Pod',
  source: 'Pod',
  candidates: (pods, node) => pods.by('node', node),
  wantedBy: (node, pod) => (pod.spec.nodeName === node ? pod : undefined),
  /** Without the status, which the agent itself reports; of the conditions only the readiness gates are of others. */
  fingerprint({ metadata, spec, status }) {
    const { uid, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds } = metadata;
    const gates = (spec.readinessGates ?? []).map(
      ({ conditionType }) => status?.conditions?.find(({ type }) => type === conditionType)?.status,
    );
    return JSON.stringify([uid, labels, annotations, deletionTimestamp, deletionGracePeriodSeconds, spec, gates]);
  },
  *references(pod) {
    const { configMaps, secrets, claims } = podReferences(pod);
    const { namespace } = pod.metadata;
    for (const name of configMaps) yield { kind: 'ConfigMap', key: `${namespace}/${name}` };
    for (const name of secrets) yield { kind: 'Secret', key: `${namespace}/${name}` };
    for (const name of claims) yield { kind: 'PersistentVolumeClaim', key: `${namespace}/${name}` };
  },
};
