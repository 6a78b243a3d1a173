import type { PolicyRule } from '../../../../shared/generated/types.ts';
import { allow, events, modify, read } from '../../../../shared/rbac/rule-builder.ts';

/** The rules of the role `system:node`, which the node authorizer allows besides its own rules. */
export const nodeRules: readonly PolicyRule[] = [
  allow(['create'], 'authentication.k8s.io', 'tokenreviews'),
  allow(['create'], 'authorization.k8s.io', 'localsubjectaccessreviews', 'subjectaccessreviews'),
  allow(read, '', 'services'),
  allow(['create', ...read], '', 'nodes'),
  allow(modify, '', 'nodes/status'),
  allow(modify, '', 'nodes'),
  events,
  allow(read, '', 'pods'),
  allow(['create', 'delete'], '', 'pods'),
  allow(modify, '', 'pods/status'),
  allow(['create'], '', 'pods/eviction'),
  allow(read, '', 'configmaps', 'secrets'),
  allow(['get'], '', 'persistentvolumeclaims', 'persistentvolumes'),
  allow(['get'], '', 'endpoints'),
  allow(['create', ...read], 'certificates.k8s.io', 'certificatesigningrequests'),
  allow(['create', 'delete', 'get', ...modify], 'coordination.k8s.io', 'leases'),
  allow(['get'], 'storage.k8s.io', 'volumeattachments'),
  allow(['create'], '', 'serviceaccounts/token'),
  allow(['get', ...modify], '', 'persistentvolumeclaims/status'),
  allow(read, 'storage.k8s.io', 'csidrivers'),
  allow(['create', 'delete', 'get', ...modify], 'storage.k8s.io', 'csinodes'),
  allow(read, 'node.k8s.io', 'runtimeclasses'),
];
