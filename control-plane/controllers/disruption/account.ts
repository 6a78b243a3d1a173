import { allow, events, modify, read, workloadGroups } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

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
