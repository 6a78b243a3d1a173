import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, read } from '../../../shared/rbac/rule-builder.ts';

export const namespaceAccount: ControllerAccount = {
  name: 'namespace-controller',
  rules: [
    allow(['delete', ...read], '', 'namespaces'),
    allow(['update'], '', 'namespaces/finalize', 'namespaces/status'),
    allow(['delete', 'deletecollection', ...read], '*', '*'),
  ],
};
