import type { ControllerDefinition } from '../definition.ts';
import { cronJobAccount } from './account.ts';
import { createCronJobController } from './controller.ts';

export const cronJob: ControllerDefinition = {
  account: cronJobAccount,
  create: createCronJobController,
};
