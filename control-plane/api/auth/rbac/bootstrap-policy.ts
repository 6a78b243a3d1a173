import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../../shared/generated/types.ts';
import { rbacGroup } from '../../../../shared/kinds/rbac/rbac.ts';
import type { Draft } from '../../../../shared/object.ts';
import type { ControllerAccount } from '../../../../shared/rbac/controller-account.ts';
import { aggregatedRules } from '../../../../shared/rbac/role-aggregation.ts';
import { allow, allowPaths, events, modify, read, readWrite, write } from '../../../../shared/rbac/rule-builder.ts';
import { nodeRules } from './node-role.ts';

/**
 * The roles and bindings that every cluster starts with: Kubernetes' own (its `bootstrappolicy`, as of 1.32; user guide, "Default
 * roles and role bindings"), for the resources that Coracle serves.
 */
export interface BootstrapPolicy {
  readonly clusterRoles: readonly Draft<ClusterRole>[];
  readonly clusterRoleBindings: readonly Draft<ClusterRoleBinding>[];
  readonly roles: readonly Draft<Role>[];
  readonly roleBindings: readonly Draft<RoleBinding>[];
}

export const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';
const bootstrapped = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const annotations = { [autoUpdate]: 'true' };

export function bootstrapPolicy(controllers: readonly ControllerAccount[]): BootstrapPolicy {
  let clusterRoles = [...userRoles(), ...systemRoles(), ...controllers.map(controllerRole)];
  // The aggregation controller updates these rules; a new cluster has them from the start: view, then edit, then admin.
  for (let round = 0; round < 3; round++) {
    const roles = clusterRoles;
    clusterRoles = roles.map((role) =>
      role.aggregationRule ? { ...role, rules: aggregatedRules(role, roles) } : role,
    );
  }
  return {
    clusterRoles,
    clusterRoleBindings: [...clusterBindings(), ...controllers.map(controllerBinding)],
    roles: namespacedRoles(),
    roleBindings: namespacedBindings(),
  };
}

/** The roles for users. Aggregation: admin has the rules of edit, edit those of view, each those of the roles with its label. */
function userRoles(): Draft<ClusterRole>[] {
  const label = (role: string) => ({ [`${rbacGroup}/aggregate-to-${role}`]: 'true' });
  const aggregated = (name: string, labels: Record<string, string> = {}): Draft<ClusterRole> => ({
    ...clusterRole(name, [], labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: label(name) }] },
  });
  return [
    clusterRole('cluster-admin', [allow(['*'], '*', '*'), allowPaths(['*'], '*')]),
    aggregated('admin'),
    aggregated('edit', label('admin')),
    aggregated('view', label('edit')),
    clusterRole('system:aggregate-to-admin', adminRules(), label('admin')),
    clusterRole('system:aggregate-to-edit', editRules(), label('edit')),
    clusterRole('system:aggregate-to-view', viewRules(), label('view')),
    clusterRole('system:aggregated-metrics-reader', [allow(read, 'metrics.k8s.io', 'nodes', 'pods')], {
      ...label('admin'),
      ...label('edit'),
      ...label('view'),
    }),
  ];
}

function viewRules(): PolicyRule[] {
  const workloads = ['daemonsets', 'daemonsets/status', 'deployments', 'deployments/scale', 'deployments/status'];
  const sets = ['replicasets', 'replicasets/scale', 'replicasets/status'];
  return [
    allow(
      read,
      '',
      'configmaps',
      'endpoints',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'pods',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'serviceaccounts',
      'services',
      'services/status',
    ),
    allow(
      read,
      '',
      'bindings',
      'events',
      'limitranges',
      'namespaces/status',
      'pods/log',
      'pods/status',
      'replicationcontrollers/status',
      'resourcequotas',
      'resourcequotas/status',
    ),
    allow(read, '', 'namespaces'),
    allow(read, 'discovery.k8s.io', 'endpointslices'),
    allow(
      read,
      'apps',
      'controllerrevisions',
      ...workloads,
      ...sets,
      'statefulsets',
      'statefulsets/scale',
      'statefulsets/status',
    ),
    allow(read, 'autoscaling', 'horizontalpodautoscalers', 'horizontalpodautoscalers/status'),
    allow(read, 'batch', 'cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'),
    allow(
      read,
      'extensions',
      ...[...workloads, 'ingresses', 'ingresses/status', 'networkpolicies', ...sets, 'replicationcontrollers/scale'],
    ),
    allow(read, 'policy', 'poddisruptionbudgets', 'poddisruptionbudgets/status'),
    allow(read, 'networking.k8s.io', 'ingresses', 'ingresses/status', 'networkpolicies'),
  ];
}

function editRules(): PolicyRule[] {
  const workloads = ['daemonsets', 'deployments', 'deployments/rollback', 'deployments/scale'];
  const sets = ['replicasets', 'replicasets/scale'];
  return [
    allow(read, '', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets', 'services/proxy'),
    allow(['impersonate'], '', 'serviceaccounts'),
    allow(write, '', 'pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'),
    allow(['create'], '', 'pods/eviction'),
    allow(
      write,
      '',
      'configmaps',
      'events',
      'persistentvolumeclaims',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'secrets',
      'serviceaccounts',
      'services',
      'services/proxy',
    ),
    allow(['create'], '', 'serviceaccounts/token'),
    allow(write, 'apps', ...workloads, ...sets, 'statefulsets', 'statefulsets/scale'),
    allow(write, 'autoscaling', 'horizontalpodautoscalers'),
    allow(write, 'batch', 'cronjobs', 'jobs'),
    allow(
      write,
      'extensions',
      ...[...workloads, 'ingresses', 'networkpolicies', ...sets, 'replicationcontrollers/scale'],
    ),
    allow(write, 'policy', 'poddisruptionbudgets'),
    allow(write, 'networking.k8s.io', 'ingresses', 'networkpolicies'),
    allow(readWrite, 'coordination.k8s.io', 'leases'),
  ];
}

function adminRules(): PolicyRule[] {
  return [
    allow(['create'], 'authorization.k8s.io', 'localsubjectaccessreviews'),
    allow(readWrite, rbacGroup, 'rolebindings', 'roles'),
  ];
}

const health = ['/healthz', '/livez', '/readyz'];
const version = ['/version', '/version/'];

/** The roles of all users, and of the components. */
function systemRoles(): Draft<ClusterRole>[] {
  const reviews = [
    allow(['create'], 'authentication.k8s.io', 'tokenreviews'),
    allow(['create'], 'authorization.k8s.io', 'subjectaccessreviews'),
  ];
  const signers = (name: string): Draft<ClusterRole> =>
    clusterRole(`system:certificates.k8s.io:${name}-approver`, [
      allow(['approve'], 'certificates.k8s.io', 'signers', { names: [`kubernetes.io/${name}`] }),
    ]);
  const issuer = ['/.well-known/openid-configuration', '/openid/v1/jwks'];
  return [
    clusterRole('system:discovery', [
      allowPaths(['get'], '/api', '/api/*', '/apis', '/apis/*', ...health, '/openapi', '/openapi/*', ...version),
    ]),
    clusterRole('system:public-info-viewer', [allowPaths(['get'], ...health, ...version)]),
    clusterRole('system:basic-user', [
      allow(['create'], 'authorization.k8s.io', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews'),
      allow(['create'], 'authentication.k8s.io', 'selfsubjectreviews'),
    ]),
    clusterRole('system:monitoring', [
      allowPaths(['get'], ...health, ...health.map((path) => `${path}/*`), '/metrics', '/metrics/slis'),
    ]),
    clusterRole('system:auth-delegator', reviews),
    clusterRole('system:service-account-issuer-discovery', [
      allowPaths(['get'], ...issuer.flatMap((path) => [path, `${path}/`])),
    ]),
    clusterRole('system:heapster', [
      allow(read, '', 'events', 'namespaces', 'nodes', 'pods'),
      allow(read, 'extensions', 'deployments'),
    ]),
    clusterRole('system:node', [...nodeRules]),
    clusterRole('system:node-proxier', [
      allow(['list', 'watch'], '', 'endpoints', 'services'),
      allow(read, '', 'nodes'),
      events,
      allow(['list', 'watch'], 'discovery.k8s.io', 'endpointslices'),
    ]),
    clusterRole('system:node-problem-detector', [
      allow(['get'], '', 'nodes'),
      allow(['patch'], '', 'nodes/status'),
      events,
    ]),
    clusterRole('system:node-bootstrapper', [
      allow(['create', ...read], 'certificates.k8s.io', 'certificatesigningrequests'),
    ]),
    clusterRole('system:kubelet-api-admin', [
      allow(read, '', 'nodes'),
      allow(['proxy'], '', 'nodes'),
      allow(['*'], '', 'nodes/log', 'nodes/metrics', 'nodes/proxy', 'nodes/stats'),
    ]),
    clusterRole('system:kube-aggregator', [allow(read, '', 'endpoints', 'services')]),
    clusterRole('system:kube-dns', [allow(['list', 'watch'], '', 'endpoints', 'services')]),
    clusterRole('system:kube-scheduler', [
      events,
      allow(['create'], 'coordination.k8s.io', 'leases'),
      allow(['get', 'update'], 'coordination.k8s.io', 'leases', { names: ['kube-scheduler'] }),
      allow(read, '', 'nodes'),
      allow(['delete', ...read], '', 'pods'),
      allow(['create'], '', 'bindings', 'pods/binding'),
      allow(modify, '', 'pods/status'),
      allow(read, '', 'replicationcontrollers', 'services'),
      allow(read, ['apps', 'extensions'], 'replicasets'),
      allow(read, 'apps', 'statefulsets'),
      allow(read, 'policy', 'poddisruptionbudgets'),
      allow(read, '', 'persistentvolumeclaims', 'persistentvolumes'),
      ...reviews,
      allow(read, 'storage.k8s.io', 'csinodes'),
      allow(read, '', 'namespaces'),
      allow(read, 'storage.k8s.io', 'csidrivers'),
      allow(read, 'storage.k8s.io', 'csistoragecapacities'),
    ]),
    clusterRole('system:volume-scheduler', [
      allow([...read, ...modify], '', 'persistentvolumes'),
      allow(read, 'storage.k8s.io', 'storageclasses'),
      allow([...read, ...modify], '', 'persistentvolumeclaims'),
    ]),
    clusterRole('system:persistent-volume-provisioner', [
      allow(['create', 'delete', ...read], '', 'persistentvolumes'),
      allow(['update', ...read], '', 'persistentvolumeclaims'),
      allow(read, 'storage.k8s.io', 'storageclasses'),
      allow(['watch'], '', 'events'),
      events,
    ]),
    clusterRole('system:kube-controller-manager', [
      events,
      allow(['create'], 'coordination.k8s.io', 'leases'),
      allow(['get', 'update'], 'coordination.k8s.io', 'leases', { names: ['kube-controller-manager'] }),
      allow(['create'], '', 'secrets', 'serviceaccounts'),
      allow(['delete'], '', 'secrets'),
      allow(['get'], '', 'configmaps', 'namespaces', 'secrets', 'serviceaccounts'),
      allow(['update'], '', 'secrets', 'serviceaccounts'),
      ...reviews,
      allow(['create'], '', 'serviceaccounts/token'),
      allow(['list', 'watch'], '*', '*'),
    ]),
    clusterRole('system:certificates.k8s.io:certificatesigningrequests:nodeclient', [
      allow(['create'], 'certificates.k8s.io', 'certificatesigningrequests/nodeclient'),
    ]),
    clusterRole('system:certificates.k8s.io:certificatesigningrequests:selfnodeclient', [
      allow(['create'], 'certificates.k8s.io', 'certificatesigningrequests/selfnodeclient'),
    ]),
    signers('kube-apiserver-client'),
    signers('kube-apiserver-client-kubelet'),
    signers('kubelet-serving'),
    signers('legacy-unknown'),
  ];
}

function clusterBindings(): Draft<ClusterRoleBinding>[] {
  const allUsers = [group('system:authenticated'), group('system:unauthenticated')];
  return [
    clusterBinding('cluster-admin', [group('system:masters')]),
    clusterBinding('system:monitoring', [group('system:monitoring')]),
    clusterBinding('system:discovery', [group('system:authenticated')]),
    clusterBinding('system:basic-user', [group('system:authenticated')]),
    clusterBinding('system:public-info-viewer', allUsers),
    clusterBinding('system:service-account-issuer-discovery', [group('system:serviceaccounts')]),
    clusterBinding('system:node', []),
    clusterBinding('system:node-proxier', [user('system:kube-proxy')]),
    clusterBinding('system:kube-controller-manager', [user('system:kube-controller-manager')]),
    clusterBinding('system:kube-dns', [account('kube-dns')]),
    clusterBinding('system:kube-scheduler', [user('system:kube-scheduler')]),
    clusterBinding('system:volume-scheduler', [user('system:kube-scheduler')]),
  ];
}

const systemNamespace = 'kube-system';
const parts = ['kube-controller-manager', 'kube-scheduler'] as const;
const reader = 'extension-apiserver-authentication-reader';

function namespacedRoles(): Draft<Role>[] {
  const verbs = ['create', 'get', 'list', 'update', 'watch'];
  const names = ['extension-apiserver-authentication'];
  return [
    { metadata: meta(reader, systemNamespace), rules: [allow(read, '', 'configmaps', { names })] },
    ...parts.map((part) => ({
      metadata: meta(`system::leader-locking-${part}`, systemNamespace),
      rules: [allow(verbs, 'coordination.k8s.io', 'leases')],
    })),
  ];
}

function namespacedBindings(): Draft<RoleBinding>[] {
  return [
    {
      metadata: meta(`system::${reader}`, systemNamespace),
      roleRef: { apiGroup: rbacGroup, kind: 'Role', name: reader },
      subjects: parts.map((part) => user(`system:${part}`)),
    },
    ...parts.map((part) => ({
      metadata: meta(`system::leader-locking-${part}`, systemNamespace),
      roleRef: { apiGroup: rbacGroup, kind: 'Role', name: `system::leader-locking-${part}` },
      subjects: [user(`system:${part}`), account(part)],
    })),
  ];
}

function controllerRole({ name, rules }: ControllerAccount): Draft<ClusterRole> {
  return clusterRole(`system:controller:${name}`, rules);
}

function controllerBinding({ name }: ControllerAccount): Draft<ClusterRoleBinding> {
  return clusterBinding(`system:controller:${name}`, [account(name)]);
}

function clusterRole(
  name: string,
  rules: readonly PolicyRule[],
  labels: Record<string, string> = {},
): Draft<ClusterRole> {
  return { metadata: meta(name, undefined, labels), rules: [...rules] };
}

function clusterBinding(name: string, subjects: Subject[]): Draft<ClusterRoleBinding> {
  return { metadata: meta(name), roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name }, subjects };
}

function meta(name: string, namespace?: string, labels: Record<string, string> = {}) {
  return { name, ...(namespace ? { namespace } : {}), labels: { ...bootstrapped, ...labels }, annotations };
}

function user(name: string): Subject {
  return { kind: 'User', apiGroup: rbacGroup, name };
}

function group(name: string): Subject {
  return { kind: 'Group', apiGroup: rbacGroup, name };
}

function account(name: string): Subject {
  return { kind: 'ServiceAccount', name, namespace: systemNamespace };
}
