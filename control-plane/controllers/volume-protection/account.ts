import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const claimProtectionAccount: ControllerAccount = {
  name: 'pvc-protection-controller',
  rules: [allow(['patch', 'update', ...read], '', 'persistentvolumeclaims'), allow(read, '', 'pods'), events],
};

export const volumeProtectionAccount: ControllerAccount = {
  name: 'pv-protection-controller',
  rules: [allow(['patch', 'update', ...read], '', 'persistentvolumes'), events],
};
