import { describe, expect, test } from 'vitest';
import { refused } from '../../../../test/support/rbac.ts';
import { controllerAccounts } from '../../../controllers/index.ts';
import { bootstrapPolicy } from './bootstrap-policy.ts';

// The expectations are from Kubernetes' documentation ("Using RBAC Authorization", "Default roles and role bindings") and from
// the requests of each of its components.

const viewed = [
  ...[
    'pods',
    'pods/log',
    'pods/status',
    'services',
    'services/status',
    'endpoints',
    'configmaps',
    'events',
    'bindings',
  ],
  'serviceaccounts',
  'limitranges',
  'resourcequotas',
  'resourcequotas/status',
  'namespaces',
  'namespaces/status',
  'replicationcontrollers',
  'replicationcontrollers/scale',
  'replicationcontrollers/status',
  'persistentvolumeclaims',
  'persistentvolumeclaims/status',
  'discovery.k8s.io:endpointslices',
  'apps:deployments',
  'apps:deployments/scale',
  'apps:deployments/status',
  'apps:controllerrevisions',
  ...[
    'apps:replicasets',
    'apps:replicasets/scale',
    'apps:replicasets/status',
    'apps:daemonsets',
    'apps:daemonsets/status',
  ],
  'apps:statefulsets',
  'apps:statefulsets/scale',
  'apps:statefulsets/status',
  'extensions:deployments',
  'extensions:replicasets',
  'extensions:ingresses',
  'extensions:networkpolicies',
  'metrics.k8s.io:pods',
  'autoscaling:horizontalpodautoscalers',
  'batch:jobs',
  'batch:jobs/status',
  'batch:cronjobs',
  'policy:poddisruptionbudgets',
  'policy:poddisruptionbudgets/status',
  'networking.k8s.io:ingresses',
  'networking.k8s.io:networkpolicies',
];
const edited = [
  'pods',
  'services',
  'configmaps',
  'secrets',
  'serviceaccounts',
  'events',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'replicationcontrollers/scale',
  'services/proxy',
  'pods/attach',
  'pods/exec',
  'pods/portforward',
  'pods/proxy',
  'apps:deployments',
  'apps:deployments/scale',
  'apps:deployments/rollback',
  'apps:replicasets',
  'apps:replicasets/scale',
  'apps:daemonsets',
  'apps:statefulsets',
  'apps:statefulsets/scale',
  'autoscaling:horizontalpodautoscalers',
  'batch:jobs',
  'batch:cronjobs',
  'extensions:deployments',
  'extensions:ingresses',
  'extensions:networkpolicies',
  'extensions:replicasets',
  'policy:poddisruptionbudgets',
  'networking.k8s.io:ingresses',
  'networking.k8s.io:networkpolicies',
  'coordination.k8s.io:leases',
];
const reading = ['get', 'list', 'watch'];
const writing = ['create', 'update', 'patch', 'delete', 'deletecollection'];
const each = (verbs: readonly string[], what: readonly string[]) =>
  what.flatMap((one) => verbs.map((verb) => `${verb} ${one} x`));

describe('the user-facing roles', () => {
  test('view reads whatever does not give more rights: no secrets, no roles, nothing of nodes', () => {
    expect(refused('view', each(reading, viewed))).toEqual([]);
    const not = ['secrets', 'rbac.authorization.k8s.io:roles', 'rbac.authorization.k8s.io:rolebindings', 'nodes'];
    expect(refused('view', each(reading, not))).toEqual(each(reading, not));
    expect(refused('view', each(writing, viewed))).toEqual(each(writing, viewed));
    expect(refused('view', ['get pods/exec x', 'create pods/exec x'])).toHaveLength(2);
  });

  test('edit writes workloads and acts as accounts of its namespace, but gives no rights', () => {
    expect(refused('edit', each(reading, [...viewed, ...edited.filter((one) => !one.endsWith('rollback'))]))).toEqual(
      [],
    );
    expect(refused('edit', each(writing, edited))).toEqual([]);
    expect(
      refused('edit', ['create pods/eviction x', 'create serviceaccounts/token x', 'impersonate serviceaccounts x']),
    ).toEqual([]);
    const not = [
      'rbac.authorization.k8s.io:roles',
      'rbac.authorization.k8s.io:rolebindings',
      'resourcequotas',
      'limitranges',
      'namespaces',
      'nodes',
      'discovery.k8s.io:endpointslices',
      'endpoints',
    ];
    expect(refused('edit', each(writing, not))).toEqual(each(writing, not));
    expect(refused('edit', ['impersonate users x', 'impersonate groups x'])).toHaveLength(2);
  });

  test('admin gives the rights of its namespace, but does not change quotas or the namespace', () => {
    const rights = ['rbac.authorization.k8s.io:roles', 'rbac.authorization.k8s.io:rolebindings'];
    expect(refused('admin', each([...reading, ...writing], [...rights, 'secrets', 'pods']))).toEqual([]);
    expect(refused('admin', each(reading, viewed))).toEqual([]);
    expect(refused('admin', ['create authorization.k8s.io:localsubjectaccessreviews'])).toEqual([]);
    const not = ['resourcequotas', 'limitranges', 'namespaces', 'rbac.authorization.k8s.io:clusterroles'];
    expect(refused('admin', each(writing, not))).toEqual(each(writing, not));
    expect(refused('admin', each(['escalate', 'bind'], rights))).toHaveLength(4);
  });

  test('cluster-admin may do everything', () => {
    const any = [
      'escalate rbac.authorization.k8s.io:clusterroles x',
      'delete nodes/proxy x',
      'get /metrics',
      'post /x',
    ];
    expect(refused('cluster-admin', any)).toEqual([]);
  });

  test('admin, edit and view gather the rules of whatever is labelled for them', () => {
    for (const name of ['admin', 'edit', 'view']) {
      const found = bootstrapPolicy(controllerAccounts).clusterRoles.find(({ metadata }) => metadata.name === name);
      const label = { [`rbac.authorization.k8s.io/aggregate-to-${name}`]: 'true' };
      expect(found?.aggregationRule).toEqual({ clusterRoleSelectors: [{ matchLabels: label }] });
    }
  });

  test('lists of rules are in order, so that two versions of a role are easily compared', () => {
    for (const { rules = [] } of [
      ...bootstrapPolicy(controllerAccounts).clusterRoles,
      ...bootstrapPolicy(controllerAccounts).roles,
    ]) {
      for (const list of rules.flatMap((rule) => Object.values(rule))) expect(list).toEqual([...list].sort());
    }
  });

  test('every role and binding is labelled as a default, and reconciled', () => {
    const { clusterRoles, clusterRoleBindings, roles, roleBindings } = bootstrapPolicy(controllerAccounts);
    const all = [...clusterRoles, ...clusterRoleBindings, ...roles, ...roleBindings];
    for (const { metadata } of all) {
      expect(metadata.labels).toMatchObject({ 'kubernetes.io/bootstrapping': 'rbac-defaults' });
      expect(metadata.annotations).toEqual({ 'rbac.authorization.kubernetes.io/autoupdate': 'true' });
    }
  });
});
