import type { ControllerDefinition } from '../definition.ts';
import { deploymentAccount } from './account.ts';
import { createDeploymentController } from './controller.ts';

export const deployment: ControllerDefinition = { account: deploymentAccount, create: createDeploymentController };
