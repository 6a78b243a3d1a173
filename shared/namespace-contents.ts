import type { ConfigMap, ServiceAccount } from './generated/types.ts';
import type { Draft } from './object.ts';

/** What every namespace has from its beginning, and gets anew when somebody deletes it. */

/** As whom pods run that do not say it. */
export const defaultAccountName = 'default';
/** The ConfigMap that tells pods which CA the API server's certificate comes from, and its key. */
export const rootCertificateName = 'kube-root-ca.crt';
export const rootCertificateKey = 'ca.crt';

/** Kubernetes' note for whoever finds the ConfigMap. */
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
