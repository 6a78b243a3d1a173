import { allow, events } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const rootCaAccount: ControllerAccount = {
  name: 'root-ca-cert-publisher',
  rules: [allow(['create', 'update'], '', 'configmaps'), events],
};
