import type { ControllerDefinition } from '../definition.ts';
import { persistentVolumeAccount } from './account.ts';
import { createPersistentVolumeController } from './controller.ts';

export const persistentVolume: ControllerDefinition = {
  account: persistentVolumeAccount,
  eventSource: 'persistentvolume-controller',
  create: createPersistentVolumeController,
};
