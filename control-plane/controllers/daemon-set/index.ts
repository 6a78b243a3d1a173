import type { ControllerDefinition } from '../definition.ts';
import { daemonSetAccount } from './account.ts';
import { createDaemonSetController } from './controller.ts';

export const daemonSet: ControllerDefinition = {
  account: daemonSetAccount,
  eventSource: 'daemonset-controller',
  create: createDaemonSetController,
};
