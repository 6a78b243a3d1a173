import { namespaces } from './namespaces.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { podSecurity, podSecurityWarnings } from './pod-security/plugin.ts';
import { priority } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { serviceAccount } from './service-account.ts';

/** Every plugin, in the order in which it is asked. */
export const plugins: readonly AdmissionPlugin[] = [
  namespaces,
  serviceAccount,
  priority,
  podSecurityWarnings,
  podSecurity,
  rbacEscalation,
];
