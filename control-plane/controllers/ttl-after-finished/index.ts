import type { ControllerDefinition } from '../definition.ts';
import { ttlAfterFinishedAccount } from './account.ts';
import { createTtlAfterFinishedController } from './controller.ts';

export const ttlAfterFinished: ControllerDefinition = {
  account: ttlAfterFinishedAccount,
  create: createTtlAfterFinishedController,
};
