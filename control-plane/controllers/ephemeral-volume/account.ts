import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const ephemeralVolumeAccount: ControllerAccount = {
  name: 'ephemeral-volume-controller',
  rules: [
    allow(read, '', 'pods'),
    allow(['update'], '', 'pods/finalizers'),
    allow(['create', ...read], '', 'persistentvolumeclaims'),
    events,
  ],
};
