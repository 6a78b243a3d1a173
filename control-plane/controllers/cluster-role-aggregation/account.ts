import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const clusterRoleAggregationAccount: ControllerAccount = {
  name: 'clusterrole-aggregation-controller',
  rules: [allow(['escalate', ...read, ...modify], 'rbac.authorization.k8s.io', 'clusterroles')],
};
