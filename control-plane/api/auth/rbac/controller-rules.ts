import type { PolicyRule } from '../../../../shared/generated/types.ts';
import { allow, events, modify, read } from '../../../../shared/rbac/rule-builder.ts';

const workloads = ['apps', 'extensions'];

/**
 * What each controller may do, by the service account in kube-system that runs it when it runs outside of this process: Kubernetes' roles
 * `system:controller:…`, for the controllers that there are.
 */
export function controllerRules(): Readonly<Record<string, PolicyRule[]>> {
  return {
    'certificate-controller': [
      allow(['delete', ...read], 'certificates.k8s.io', 'certificatesigningrequests'),
      allow(
        ['update'],
        'certificates.k8s.io',
        ...['certificatesigningrequests/approval', 'certificatesigningrequests/status'],
      ),
      allow(['approve'], 'certificates.k8s.io', 'signers', { names: ['kubernetes.io/kube-apiserver-client-kubelet'] }),
      allow(['sign'], 'certificates.k8s.io', 'signers', {
        names: [
          ...['kubernetes.io/kube-apiserver-client', 'kubernetes.io/kube-apiserver-client-kubelet'],
          ...['kubernetes.io/kubelet-serving', 'kubernetes.io/legacy-unknown'],
        ],
      }),
      allow(['create'], 'authorization.k8s.io', 'subjectaccessreviews'),
      events,
    ],
    'clusterrole-aggregation-controller': [
      allow(['escalate', ...read, ...modify], 'rbac.authorization.k8s.io', 'clusterroles'),
    ],
    'deployment-controller': [
      allow(['update', ...read], workloads, 'deployments'),
      allow(['update'], workloads, 'deployments/status'),
      allow(['update'], workloads, 'deployments/finalizers'),
      allow(['create', 'delete', ...read, ...modify], workloads, 'replicasets'),
      allow(['update', ...read], '', 'pods'),
      events,
    ],
    'disruption-controller': [
      allow(read, workloads, 'deployments'),
      allow(read, workloads, 'replicasets'),
      allow(read, '', 'replicationcontrollers'),
      allow(read, 'policy', 'poddisruptionbudgets'),
      allow(read, 'apps', 'statefulsets'),
      allow(['update'], 'policy', 'poddisruptionbudgets/status'),
      allow(modify, '', 'pods/status'),
      allow(['get'], '*', '*/scale'),
      events,
    ],
    'generic-garbage-collector': [allow(['delete', ...read, ...modify], '*', '*'), events],
    'namespace-controller': [
      allow(['delete', ...read], '', 'namespaces'),
      allow(['update'], '', 'namespaces/finalize', 'namespaces/status'),
      allow(['delete', 'deletecollection', ...read], '*', '*'),
    ],
    'node-controller': [
      allow(['delete', ...read, ...modify], '', 'nodes'),
      allow(modify, '', 'nodes/status'),
      allow(['patch', 'update'], '', 'pods/status'),
      allow(['delete', ...read], '', 'pods'),
      events,
    ],
    'replicaset-controller': [
      allow(['update', ...read], workloads, 'replicasets'),
      allow(['update'], workloads, 'replicasets/status'),
      allow(['update'], workloads, 'replicasets/finalizers'),
      allow(['create', 'delete', 'list', 'patch', 'watch'], '', 'pods'),
      events,
    ],
    'replication-controller': [
      allow(['update', ...read], '', 'replicationcontrollers'),
      allow(['update'], '', 'replicationcontrollers/status'),
      allow(['update'], '', 'replicationcontrollers/finalizers'),
      allow(['create', 'delete', 'list', 'patch', 'watch'], '', 'pods'),
      events,
    ],
    'resourcequota-controller': [
      allow(['list', 'watch'], '*', '*'),
      allow(['update'], '', 'resourcequotas/status'),
      events,
    ],
    'root-ca-cert-publisher': [allow(['create', 'update'], '', 'configmaps'), events],
    'service-account-controller': [allow(['create'], '', 'serviceaccounts'), events],
  };
}
