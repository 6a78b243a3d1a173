import type { ControllerDefinition } from '../definition.ts';
import { disruptionAccount } from './account.ts';
import { createDisruptionController } from './controller.ts';

export const disruption: ControllerDefinition = {
  account: disruptionAccount,
  eventSource: 'controllermanager',
  create: createDisruptionController,
};
