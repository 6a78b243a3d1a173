import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, modify, read } from '../../../shared/rbac/rule-builder.ts';

export const localProvisionerAccount: ControllerAccount = {
  name: 'local-volume-provisioner',
  rules: [
    allow(['create', 'delete', ...read, ...modify], '', 'persistentvolumes'),
    allow([...read, ...modify], '', 'persistentvolumeclaims'),
    allow(modify, '', 'persistentvolumeclaims/status'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    allow(read, '', 'nodes'),
    events,
  ],
};
