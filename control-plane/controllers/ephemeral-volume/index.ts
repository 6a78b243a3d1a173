import type { ControllerDefinition } from '../definition.ts';
import { ephemeralVolumeAccount } from './account.ts';
import { createEphemeralVolumeController } from './controller.ts';

export const ephemeralVolume: ControllerDefinition = {
  account: ephemeralVolumeAccount,
  eventSource: 'ephemeral_volume',
  create: createEphemeralVolumeController,
};
