import type { ControllerDefinition } from '../definition.ts';
import { nodeLifecycleAccount } from './account.ts';
import { createNodeLifecycleController } from './controller.ts';

export const nodeLifecycle: ControllerDefinition = {
  account: nodeLifecycleAccount,
  create: createNodeLifecycleController,
};
