import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const jobAccount: ControllerAccount = {
  name: 'job-controller',
  rules: [
    allow([...read, ...modify], 'batch', 'jobs'),
    allow(['update'], 'batch', 'jobs/status'),
    allow(['update'], 'batch', 'jobs/finalizers'),
    allow(['create', 'delete', 'list', 'patch', 'watch'], '', 'pods'),
    events,
  ],
};
