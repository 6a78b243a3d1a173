import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const ttlAfterFinishedAccount: ControllerAccount = {
  name: 'ttl-after-finished-controller',
  rules: [allow([...read, 'delete'], 'batch', 'jobs'), events],
};
