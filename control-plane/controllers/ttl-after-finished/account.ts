import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const ttlAfterFinishedAccount: ControllerAccount = {
  name: 'ttl-after-finished-controller',
  rules: [allow([...read, 'delete'], 'batch', 'jobs'), events],
};
