import { allow, modify, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const clusterRoleAggregationAccount: ControllerAccount = {
  name: 'clusterrole-aggregation-controller',
  rules: [allow(['escalate', ...read, ...modify], 'rbac.authorization.k8s.io', 'clusterroles')],
};
