import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const ephemeralVolumeAccount: ControllerAccount = {
  name: 'ephemeral-volume-controller',
  rules: [
    allow(read, '', 'pods'),
    allow(['update'], '', 'pods/finalizers'),
    allow(['create', ...read], '', 'persistentvolumeclaims'),
    events,
  ],
};
