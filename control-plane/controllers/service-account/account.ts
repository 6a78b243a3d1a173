import { allow, events } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const serviceAccountAccount: ControllerAccount = {
  name: 'service-account-controller',
  rules: [allow(['create'], '', 'serviceaccounts'), events],
};
