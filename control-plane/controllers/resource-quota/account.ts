import { allow, events } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const resourceQuotaAccount: ControllerAccount = {
  name: 'resourcequota-controller',
  rules: [allow(['list', 'watch'], '*', '*'), allow(['update'], '', 'resourcequotas/status'), events],
};
