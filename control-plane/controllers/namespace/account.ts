import { allow, read } from '../../../shared/rbac/rule-builder.ts';
import type { ControllerAccount } from '../definition.ts';

export const namespaceAccount: ControllerAccount = {
  name: 'namespace-controller',
  rules: [
    allow(['delete', ...read], '', 'namespaces'),
    allow(['update'], '', 'namespaces/finalize', 'namespaces/status'),
    allow(['delete', 'deletecollection', ...read], '*', '*'),
  ],
};
