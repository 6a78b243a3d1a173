import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const garbageCollectorAccount: ControllerAccount = {
  name: 'generic-garbage-collector',
  rules: [allow(['delete', ...read, ...modify], '*', '*'), events],
};
