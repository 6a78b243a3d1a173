import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read, workloadGroups } from '../../../shared/rbac/rule-builder.ts';

const pods = allow(['create', 'delete', 'list', 'patch', 'watch'], '', 'pods');

export const replicaSetAccount: ControllerAccount = {
  name: 'replicaset-controller',
  rules: [
    allow(['update', ...read], workloadGroups, 'replicasets'),
    allow(['update'], workloadGroups, 'replicasets/status'),
    allow(['update'], workloadGroups, 'replicasets/finalizers'),
    pods,
    events,
  ],
};

export const replicationAccount: ControllerAccount = {
  name: 'replication-controller',
  rules: [
    allow(['update', ...read], '', 'replicationcontrollers'),
    allow(['update'], '', 'replicationcontrollers/status'),
    allow(['update'], '', 'replicationcontrollers/finalizers'),
    pods,
    events,
  ],
};
