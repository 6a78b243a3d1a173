import { expect, test } from 'vitest';
import { refused } from '../../../../test/support/rbac.ts';
import { controllerAccounts } from '../../../controllers/index.ts';
import { bootstrapPolicy } from './bootstrap-policy.ts';

// The expectations are from Kubernetes' documentation ("Using RBAC Authorization", "Default roles and role bindings") and from
// the requests of each of its components.

const csr = 'certificates.k8s.io:certificatesigningrequests';
const leases = 'coordination.k8s.io:leases';
const reviews = ['create authentication.k8s.io:tokenreviews', 'create authorization.k8s.io:subjectaccessreviews'];
const events = ['create events', 'patch events x', 'update events.k8s.io:events x'];

/** By role: for each resource, some allowed and some refused verbs. */
const rights: readonly (readonly [role: string, allowed: readonly string[], refused: readonly string[]])[] = [
  [
    'system:discovery',
    ['/api', '/api/v1', '/apis', '/apis/apps', '/openapi/v3', '/version', '/healthz'].map(get),
    ['get /metrics'],
  ],
  ['system:public-info-viewer', ['/healthz', '/livez', '/readyz', '/version', '/version/'].map(get), ['get /api']],
  ['system:monitoring', ['/healthz', '/livez', '/readyz/ping', '/metrics', '/metrics/slis'].map(get), ['get /api']],
  [
    'system:basic-user',
    [
      'create authorization.k8s.io:selfsubjectaccessreviews',
      'create authorization.k8s.io:selfsubjectrulesreviews',
      'create authentication.k8s.io:selfsubjectreviews',
    ],
    reviews,
  ],
  ['system:auth-delegator', reviews, ['list authorization.k8s.io:subjectaccessreviews']],
  [
    'system:service-account-issuer-discovery',
    ['/.well-known/openid-configuration', '/.well-known/openid-configuration/', '/openid/v1/jwks'].map(get),
    ['get /openid'],
  ],
  ['system:heapster', ['list nodes', 'list pods', 'get extensions:deployments x'], ['get secrets x']],
  [
    'system:node',
    [
      'list pods',
      'patch nodes/status n',
      'get secrets s',
      'update pods/status p',
      `create ${csr}`,
      `update ${leases} n`,
    ],
    ['create secrets', 'delete nodes n', 'patch pods p'],
  ],
  [
    'system:node-proxier',
    ['watch services', 'list discovery.k8s.io:endpointslices', 'get nodes n', ...events],
    ['list pods'],
  ],
  ['system:node-problem-detector', ['get nodes n', 'patch nodes/status n', ...events], ['patch nodes n']],
  ['system:node-bootstrapper', [`create ${csr}`, `get ${csr} a`], [`update ${csr}/approval a`]],
  [
    'system:kubelet-api-admin',
    ['get nodes/log n', 'create nodes/proxy n', 'proxy nodes n', 'list nodes'],
    ['patch nodes n'],
  ],
  ['system:kube-aggregator', ['list services', 'list endpoints'], ['list pods']],
  ['system:kube-dns', ['list services', 'watch endpoints'], ['get services x']],
  [
    'system:kube-scheduler',
    [
      'create pods/binding p',
      'create bindings',
      'delete pods p',
      'patch pods/status p',
      'watch nodes',
      `create ${leases}`,
      `update ${leases} kube-scheduler`,
      'list apps:statefulsets',
      'get apps:replicasets r',
      'list policy:poddisruptionbudgets',
      'list persistentvolumeclaims',
      'list storage.k8s.io:csinodes',
      ...events,
      'list services',
      'list namespaces',
      ...reviews,
    ],
    [`update ${leases} kube-controller-manager`, 'create pods', 'patch pods p', 'get secrets s'],
  ],
  [
    'system:volume-scheduler',
    ['update persistentvolumes v', 'patch persistentvolumeclaims c', 'list storage.k8s.io:storageclasses'],
    ['delete persistentvolumes v'],
  ],
  [
    'system:persistent-volume-provisioner',
    [
      'create persistentvolumes',
      'update persistentvolumeclaims c',
      'get storage.k8s.io:storageclasses s',
      'watch events',
    ],
    ['delete persistentvolumeclaims c'],
  ],
  [
    'system:kube-controller-manager',
    [
      ...[
        'list apps:deployments',
        'watch secrets',
        'create serviceaccounts',
        'create serviceaccounts/token a',
        ...events,
      ],
      'get namespaces n',
      'update secrets s',
      'delete secrets s',
      `update ${leases} kube-controller-manager`,
      ...[...reviews, `create ${leases}`],
    ],
    [`update ${leases} kube-scheduler`, 'create pods', 'get nodes n'],
  ],
  [
    'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    [`create ${csr}/nodeclient`],
    [`create ${csr}/selfnodeclient`, `create ${csr}`],
  ],
  [
    'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    [`create ${csr}/selfnodeclient`],
    [`create ${csr}/nodeclient`],
  ],
  ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(
    (signer) =>
      [
        `system:certificates.k8s.io:${signer}-approver`,
        [`approve certificates.k8s.io:signers kubernetes.io/${signer}`],
        [
          'approve certificates.k8s.io:signers kubernetes.io/other',
          `sign certificates.k8s.io:signers kubernetes.io/${signer}`,
        ],
      ] as const,
  ),
  ['system:aggregated-metrics-reader', ['list metrics.k8s.io:nodes', 'get metrics.k8s.io:pods p'], ['list pods']],
  [
    'extension-apiserver-authentication-reader',
    ['get configmaps extension-apiserver-authentication'],
    ['get configmaps other', 'list configmaps'],
  ],
  ['system::leader-locking-kube-scheduler', [`create ${leases}`, `update ${leases} x`], [`delete ${leases} x`]],
  ['system::leader-locking-kube-controller-manager', [`get ${leases} x`, `watch ${leases}`], [`patch ${leases} x`]],
  [
    'system:controller:certificate-controller',
    [
      `list ${csr}`,
      `update ${csr}/approval a`,
      `update ${csr}/status a`,
      ...events,
      `delete ${csr} a`,
      'approve certificates.k8s.io:signers kubernetes.io/kube-apiserver-client-kubelet',
      ...['kube-apiserver-client', 'kube-apiserver-client-kubelet', 'kubelet-serving', 'legacy-unknown'].map(
        (signer) => `sign certificates.k8s.io:signers kubernetes.io/${signer}`,
      ),
      'create authorization.k8s.io:subjectaccessreviews',
    ],
    [
      'approve certificates.k8s.io:signers kubernetes.io/kube-apiserver-client',
      'sign certificates.k8s.io:signers example.com/own',
      `create ${csr}`,
    ],
  ],
  [
    'system:controller:clusterrole-aggregation-controller',
    [
      'escalate rbac.authorization.k8s.io:clusterroles view',
      'update rbac.authorization.k8s.io:clusterroles view',
      'watch rbac.authorization.k8s.io:clusterroles',
    ],
    ['update rbac.authorization.k8s.io:roles r', 'bind rbac.authorization.k8s.io:clusterroles view'],
  ],
  [
    'system:controller:deployment-controller',
    [
      'update apps:deployments d',
      'update apps:deployments/status d',
      'update apps:deployments/finalizers d',
      ...[
        'create apps:replicasets',
        'delete apps:replicasets r',
        'patch apps:replicasets r',
        'update pods p',
        ...events,
      ],
    ],
    ['create pods', 'delete apps:deployments d'],
  ],
  [
    'system:controller:disruption-controller',
    [
      'list apps:deployments',
      'list apps:replicasets',
      'list replicationcontrollers',
      'list apps:statefulsets',
      'watch policy:poddisruptionbudgets',
      'update policy:poddisruptionbudgets/status b',
      'patch pods/status p',
      'get example.com:widgets/scale w',
      ...events,
    ],
    ['update policy:poddisruptionbudgets b', 'delete pods p'],
  ],
  [
    'system:controller:generic-garbage-collector',
    ['delete apps:replicasets r', 'patch example.com:widgets w', ...events],
    ['create pods'],
  ],
  [
    'system:controller:namespace-controller',
    [
      'delete namespaces n',
      'update namespaces/finalize n',
      'update namespaces/status n',
      'deletecollection example.com:widgets',
    ],
    ['update namespaces n', 'create pods'],
  ],
  [
    'system:controller:node-controller',
    ['delete nodes n', 'patch nodes n', 'patch nodes/status n', 'update pods/status p', 'delete pods p', ...events],
    ['create nodes', 'update pods p'],
  ],
  [
    'system:controller:daemon-set-controller',
    ['watch apps:daemonsets', 'update apps:daemonsets/status d', 'create pods', 'delete pods p', ...events],
    ['delete apps:daemonsets d', 'update nodes n'],
  ],
  [
    'system:controller:statefulset-controller',
    [
      ...['watch apps:statefulsets', 'update apps:statefulsets/status s', 'create pods', 'delete pods p'],
      ...['create apps:controllerrevisions', 'create persistentvolumeclaims', 'update persistentvolumeclaims p'],
      ...events,
    ],
    ['delete apps:statefulsets s', 'update nodes n', 'delete persistentvolumes v'],
  ],
  [
    'system:controller:ephemeral-volume-controller',
    ['watch pods', 'update pods/finalizers', 'create persistentvolumeclaims', ...events],
    ['update pods p', 'delete persistentvolumeclaims c'],
  ],
  [
    'system:controller:cronjob-controller',
    ['watch batch:cronjobs', 'update batch:cronjobs/status c', 'create batch:jobs', 'delete batch:jobs j', ...events],
    ['delete batch:cronjobs c', 'create pods'],
  ],
  [
    'system:controller:job-controller',
    ['patch batch:jobs j', 'update batch:jobs/status j', 'create pods', 'delete pods p', 'patch pods p', ...events],
    ['delete batch:jobs j', 'create batch:jobs'],
  ],
  [
    'system:controller:ttl-after-finished-controller',
    ['watch batch:jobs', 'delete batch:jobs j', ...events],
    ['create batch:jobs', 'delete pods p'],
  ],
  [
    'system:controller:horizontal-pod-autoscaler',
    [
      ...['watch autoscaling:horizontalpodautoscalers', 'update autoscaling:horizontalpodautoscalers/status a'],
      ...['get apps:deployments/scale d', 'update apps:statefulsets/scale s', 'list pods', 'list metrics.k8s.io:pods'],
      ...events,
    ],
    ['update apps:deployments d', 'update autoscaling:horizontalpodautoscalers a'],
  ],
  [
    'system:controller:persistent-volume-binder',
    ['patch persistentvolumes v', 'patch persistentvolumes/status v', 'patch persistentvolumeclaims c', ...events],
    ['delete persistentvolumes v', 'delete persistentvolumeclaims c', 'update storage.k8s.io:storageclasses s'],
  ],
  [
    'system:controller:local-volume-provisioner',
    ['create persistentvolumes', 'delete persistentvolumes v', 'patch persistentvolumeclaims/status c', 'list nodes'],
    ['delete persistentvolumeclaims c', 'update nodes n'],
  ],
  [
    'system:controller:pvc-protection-controller',
    ['update persistentvolumeclaims c', 'list pods'],
    ['update persistentvolumes v', 'delete pods p'],
  ],
  [
    'system:controller:pv-protection-controller',
    ['update persistentvolumes v'],
    ['update persistentvolumeclaims c', 'delete persistentvolumes v'],
  ],
  ...(
    [
      ['replicaset-controller', 'apps:replicasets'],
      ['replication-controller', 'replicationcontrollers'],
    ] as const
  ).map(
    ([name, what]) =>
      [
        `system:controller:${name}`,
        [
          `update ${what} r`,
          `watch ${what}`,
          `update ${what}/status r`,
          `update ${what}/finalizers r`,
          ...events,
          'create pods',
          'delete pods p',
          'patch pods p',
          'list pods',
        ],
        ['update pods p', `delete ${what} r`],
      ] as const,
  ),
  [
    'system:controller:resourcequota-controller',
    ['list example.com:widgets', 'watch pods', 'update resourcequotas/status q', ...events],
    ['update resourcequotas q'],
  ],
  [
    'system:controller:root-ca-cert-publisher',
    ['create configmaps', 'update configmaps c', ...events],
    ['delete configmaps c'],
  ],
  ['system:controller:service-account-controller', ['create serviceaccounts', ...events], ['delete serviceaccounts a']],
];

function get(path: string): string {
  return `get ${path}`;
}

test.each(rights)('%s has the permissions it needs and no others', (role, allowed, not) => {
  expect(refused(role, allowed)).toEqual([]);
  expect(refused(role, not)).toEqual(not);
});

test('no default role is left unlooked at here', () => {
  // Those of users are looked at in `bootstrap-policy.test.ts`.
  const known = new Set([...rights.map(([role]) => role), 'cluster-admin', 'admin', 'edit', 'view']);
  const { clusterRoles, roles } = bootstrapPolicy(controllerAccounts);
  const all = [...clusterRoles, ...roles].map(({ metadata }) => metadata.name ?? '');
  // Their rules are those of admin, edit and view.
  expect(all.filter((name) => !known.has(name) && !name.startsWith('system:aggregate-to-'))).toEqual([]);
});
