import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events } from '../../../shared/rbac/rule-builder.ts';

export const rootCaAccount: ControllerAccount = {
  name: 'root-ca-cert-publisher',
  rules: [allow(['create', 'update'], '', 'configmaps'), events],
};
