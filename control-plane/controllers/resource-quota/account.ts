import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events } from '../../../shared/rbac/rule-builder.ts';

export const resourceQuotaAccount: ControllerAccount = {
  name: 'resourcequota-controller',
  rules: [allow(['list', 'watch'], '*', '*'), allow(['update'], '', 'resourcequotas/status'), events],
};
