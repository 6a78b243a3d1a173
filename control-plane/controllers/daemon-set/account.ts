import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read, workloadGroups } from '../../../shared/rbac/rule-builder.ts';

export const daemonSetAccount: ControllerAccount = {
  name: 'daemon-set-controller',
  rules: [
    allow(read, workloadGroups, 'daemonsets'),
    allow(['update'], workloadGroups, 'daemonsets/status'),
    allow(['update'], workloadGroups, 'daemonsets/finalizers'),
    allow(['list', 'watch'], '', 'nodes'),
    allow(['create', 'delete', 'list', 'patch', 'watch'], '', 'pods'),
    allow(['create'], '', 'pods/binding'),
    allow(['create', 'delete', ...read, ...modify], 'apps', 'controllerrevisions'),
    events,
  ],
};
