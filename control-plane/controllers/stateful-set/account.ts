import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const statefulSetAccount: ControllerAccount = {
  name: 'statefulset-controller',
  rules: [
    allow(['list', 'watch'], '', 'pods'),
    allow(read, 'apps', 'statefulsets'),
    allow(['update'], 'apps', 'statefulsets/status'),
    allow(['update'], 'apps', 'statefulsets/finalizers'),
    allow(['get', 'create', 'delete', ...modify], '', 'pods'),
    allow(['create', 'delete', ...read, ...modify], 'apps', 'controllerrevisions'),
    allow(['get', 'create'], '', 'persistentvolumeclaims'),
    allow(['update', 'delete'], '', 'persistentvolumeclaims'),
    events,
  ],
};
