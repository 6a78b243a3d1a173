import type { ControllerDefinition } from '../definition.ts';
import { clusterRoleAggregationAccount } from './account.ts';
import { createClusterRoleAggregation } from './controller.ts';

export const clusterRoleAggregation: ControllerDefinition = {
  account: clusterRoleAggregationAccount,
  create: createClusterRoleAggregation,
};
