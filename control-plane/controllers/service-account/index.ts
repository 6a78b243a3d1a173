import type { ControllerDefinition } from '../definition.ts';
import { serviceAccountAccount } from './account.ts';
import { createServiceAccountController } from './controller.ts';

export const serviceAccount: ControllerDefinition = {
  account: serviceAccountAccount,
  create: createServiceAccountController,
};
