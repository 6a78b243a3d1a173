import type { ControllerAccount } from '../../../shared/rbac/controller-account.ts';
import { allow, events, read } from '../../../shared/rbac/rule-builder.ts';

export const certificatesAccount: ControllerAccount = {
  name: 'certificate-controller',
  rules: [
    allow(['delete', ...read], 'certificates.k8s.io', 'certificatesigningrequests'),
    allow(
      ['update'],
      'certificates.k8s.io',
      'certificatesigningrequests/approval',
      'certificatesigningrequests/status',
    ),
    allow(['approve'], 'certificates.k8s.io', 'signers', { names: ['kubernetes.io/kube-apiserver-client-kubelet'] }),
    allow(['sign'], 'certificates.k8s.io', 'signers', {
      names: [
        'kubernetes.io/kube-apiserver-client',
        'kubernetes.io/kube-apiserver-client-kubelet',
        'kubernetes.io/kubelet-serving',
        'kubernetes.io/legacy-unknown',
      ],
    }),
    allow(['create'], 'authorization.k8s.io', 'subjectaccessreviews'),
    events,
  ],
};
