import type { ConfigMap, ServiceAccount } from './generated/types.ts';
import type { Draft } from './object.ts';

/** The objects that every namespace gets at its creation, and again after their deletion. */

/** The service account of pods that name none. */
export const defaultAccountName = 'default';
/** The ConfigMap with the CA of the API server's certificate, for pods, and its key. */
export const rootCertificateName = 'kube-root-ca.crt';
export const rootCertificateKey = 'ca.crt';

/** Kubernetes' description of the ConfigMap. */
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

export function defaultAccount(namespace: string): Draft<ServiceAccount> {
  return { metadata: { name: defaultAccountName, namespace } };
}

/** `certificate`: PEM. */
export function rootCertificateMap(namespace: string, certificate: string): Draft<ConfigMap> {
  return {
    metadata: {
      name: rootCertificateName,
      namespace,
      annotations: { 'kubernetes.io/description': description },
    },
    data: { [rootCertificateKey]: certificate },
  };
}
