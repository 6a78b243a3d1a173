import type { ControllerDefinition } from '../definition.ts';
import { namespaceAccount } from './account.ts';
import { createNamespaceController } from './controller.ts';

export const namespace: ControllerDefinition = {
  account: namespaceAccount,
  create: createNamespaceController,
};
