import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const cronJobAccount: ControllerAccount = {
  name: 'cronjob-controller',
  rules: [
    allow(['update', ...read], 'batch', 'cronjobs'),
    allow(['create', 'delete', 'patch', 'update', ...read], 'batch', 'jobs'),
    allow(['update'], 'batch', 'cronjobs/status'),
    allow(['update'], 'batch', 'cronjobs/finalizers'),
    allow(['delete', 'list'], '', 'pods'),
    events,
  ],
};
