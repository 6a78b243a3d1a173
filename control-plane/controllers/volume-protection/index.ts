import type { ControllerDefinition } from '../definition.ts';
import { claimProtectionAccount, volumeProtectionAccount } from './account.ts';
import { createClaimProtection } from './claims.ts';
import { createVolumeProtection } from './volumes.ts';

export const claimProtection: ControllerDefinition = {
  account: claimProtectionAccount,
  create: createClaimProtection,
};

export const volumeProtection: ControllerDefinition = {
  account: volumeProtectionAccount,
  create: createVolumeProtection,
};
