import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const persistentVolumeAccount: ControllerAccount = {
  name: 'persistent-volume-binder',
  rules: [
    allow([...read, ...modify], '', 'persistentvolumes'),
    allow(modify, '', 'persistentvolumes/status'),
    allow([...read, ...modify], '', 'persistentvolumeclaims'),
    allow(modify, '', 'persistentvolumeclaims/status'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    allow(read, '', 'nodes'),
    events,
  ],
};
