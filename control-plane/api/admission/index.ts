import type { Random } from '../../../shared/random.ts';
import type { Authorizer } from '../auth/identity.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { certificates } from './plugins/certificates.ts';
import { defaultIngressClass } from './plugins/default-ingress-class.ts';
import { defaultStorageClass } from './plugins/default-storage-class.ts';
import { limitRanger } from './plugins/limit-ranger.ts';
import { namespaceContents } from './plugins/namespace-contents.ts';
import { namespaceLifecycle } from './plugins/namespace-lifecycle.ts';
import { nodeRestriction } from './plugins/node-restriction/plugin.ts';
import { persistentVolumeClaimResize } from './plugins/persistent-volume-claim-resize.ts';
import { podDisruptionBudget } from './plugins/pod-disruption-budget.ts';
import { podResize } from './plugins/pod-resize.ts';
import { podSecurity, podSecurityWarnings } from './plugins/pod-security/plugin.ts';
import { priority } from './plugins/priority.ts';
import { rbacEscalation } from './plugins/rbac-escalation.ts';
import { resourceQuota } from './plugins/resource-quota.ts';
import { runtimeClass } from './plugins/runtime-class.ts';
import { serviceAccount } from './plugins/service-account/plugin.ts';
import { storageObjectInUseProtection } from './plugins/storage-object-in-use-protection.ts';

export interface AdmissionPluginDeps {
  readonly random: Random;
  readonly authorizer: Authorizer;
  /** The CA that signed the API server's certificate, PEM. Absent: it is not published. */
  readonly rootCertificate?: string | undefined;
  /** Whether pods are given tokens of their service accounts. */
  readonly tokens: boolean;
}

/** All admission plugins, in the order in which they are called. */
export function admissionPlugins(deps: AdmissionPluginDeps): readonly AdmissionPlugin[] {
  return [
    // Before service accounts, which no pod of a node may name.
    nodeRestriction,
    namespaceContents(deps),
    serviceAccount(deps),
    namespaceLifecycle,
    priority,
    defaultIngressClass,
    defaultStorageClass,
    storageObjectInUseProtection,
    persistentVolumeClaimResize,
    runtimeClass,
    limitRanger,
    podSecurityWarnings,
    podSecurity,
    rbacEscalation,
    resourceQuota,
    podDisruptionBudget,
    podResize,
    certificates(deps.authorizer),
  ];
}
