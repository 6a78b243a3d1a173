import type { ControllerDefinition } from '../definition.ts';
import { localProvisionerAccount } from './account.ts';
import { createLocalProvisioner } from './controller.ts';

export const localProvisioner: ControllerDefinition = {
  account: localProvisionerAccount,
  eventSource: 'coracle.io/local',
  create: createLocalProvisioner,
};
