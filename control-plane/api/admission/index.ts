import { defaultIngressClass, defaultStorageClass } from './default-classes.ts';
import { disruptionBudgets } from './disruption-budgets.ts';
import { limitRanges } from './limit-ranges.ts';
import { namespaces } from './namespaces.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { podSecurity, podSecurityWarnings } from './pod-security/plugin.ts';
import { priority } from './priority.ts';
import { quotas } from './quotas.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resizes } from './resizes.ts';
import { runtimeClass } from './runtime-class.ts';

/** The plugins that need nothing of the server, in the order in which they are asked. */
export const plugins: readonly AdmissionPlugin[] = [
  namespaces,
  priority,
  defaultIngressClass,
  defaultStorageClass,
  runtimeClass,
  limitRanges,
  podSecurityWarnings,
  podSecurity,
  rbacEscalation,
  quotas,
  disruptionBudgets,
  resizes,
];
