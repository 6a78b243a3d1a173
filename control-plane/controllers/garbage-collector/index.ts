import type { ControllerDefinition } from '../definition.ts';
import { garbageCollectorAccount } from './account.ts';
import { createGarbageCollector } from './controller.ts';

export const garbageCollector: ControllerDefinition = {
  account: garbageCollectorAccount,
  create: createGarbageCollector,
};
