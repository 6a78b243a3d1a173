import type { ControllerDefinition } from '../definition.ts';
import { jobAccount } from './account.ts';
import { createJobController } from './controller.ts';

export const job: ControllerDefinition = { account: jobAccount, create: createJobController };
