import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read, workloadGroups } from '../../../shared/rbac/rule-builder.ts';

export const disruptionAccount: ControllerAccount = {
  name: 'disruption-controller',
  rules: [
    allow(read, workloadGroups, 'deployments'),
    allow(read, workloadGroups, 'replicasets'),
    allow(read, '', 'replicationcontrollers'),
    allow(read, 'policy', 'poddisruptionbudgets'),
    allow(read, 'apps', 'statefulsets'),
    allow(['update'], 'policy', 'poddisruptionbudgets/status'),
    allow(modify, '', 'pods/status'),
    allow(['get'], '*', '*/scale'),
    events,
  ],
};
