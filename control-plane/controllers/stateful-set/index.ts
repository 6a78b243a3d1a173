import type { ControllerDefinition } from '../definition.ts';
import { statefulSetAccount } from './account.ts';
import { createStatefulSetController } from './controller.ts';

export const statefulSet: ControllerDefinition = {
  account: statefulSetAccount,
  create: createStatefulSetController,
};
