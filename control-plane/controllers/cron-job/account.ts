import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

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
