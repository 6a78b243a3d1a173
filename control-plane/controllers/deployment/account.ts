import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read, workloadGroups } from '../../../shared/rbac/rule-builder.ts';

export const deploymentAccount: ControllerAccount = {
  name: 'deployment-controller',
  rules: [
    allow(['update', ...read], workloadGroups, 'deployments'),
    allow(['update'], workloadGroups, 'deployments/status'),
    allow(['update'], workloadGroups, 'deployments/finalizers'),
    allow(['create', 'delete', ...read, ...modify], workloadGroups, 'replicasets'),
    allow(['update', ...read], '', 'pods'),
    events,
  ],
};
