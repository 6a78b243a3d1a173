import type { ConfigMap, Secret } from '../../../shared/generated/types.ts';
import type { AssignedKind } from './assigned-kind.ts';

/** The ConfigMaps that pods of the node refer to. */
export const assignedConfigMaps: AssignedKind<'ConfigMap', ConfigMap> = {
  kind: 'ConfigMap',
  source: 'ConfigMap',
  wantedBy: (_node, configMap) => configMap,
  fingerprint: ({ metadata }) => metadata.resourceVersion,
};

/** The Secrets that pods of the node refer to. */
export const assignedSecrets: AssignedKind<'Secret', Secret> = {
  kind: 'Secret',
  source: 'Secret',
  wantedBy: (_node, secret) => secret,
  fingerprint: ({ metadata }) => metadata.resourceVersion,
};
