import type { ControllerDefinition } from '../definition.ts';
import { resourceQuotaAccount } from './account.ts';
import { createQuotaController } from './controller.ts';

export const resourceQuota: ControllerDefinition = {
  account: resourceQuotaAccount,
  create: createQuotaController,
};
