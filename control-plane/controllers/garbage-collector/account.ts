import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const garbageCollectorAccount: ControllerAccount = {
  name: 'generic-garbage-collector',
  rules: [allow(['delete', ...read, ...modify], '*', '*'), events],
};
