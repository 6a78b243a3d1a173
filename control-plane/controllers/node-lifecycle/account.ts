import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const nodeLifecycleAccount: ControllerAccount = {
  name: 'node-controller',
  rules: [
    allow(['delete', ...read, ...modify], '', 'nodes'),
    allow(modify, '', 'nodes/status'),
    allow(['patch', 'update'], '', 'pods/status'),
    allow(['delete', ...read], '', 'pods'),
    events,
  ],
};
