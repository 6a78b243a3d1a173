import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events } from '../../../shared/rbac/rule-builder.ts';

export const serviceAccountAccount: ControllerAccount = {
  name: 'service-account-controller',
  rules: [allow(['create'], '', 'serviceaccounts'), events],
};
