import { expect, it } from 'vitest';
import { defaultAccount, rootCertificateMap } from './namespace-contents.ts';

it('a namespace has the account and the certificate by the names that Kubernetes documents', () => {
  expect(defaultAccount('shop')).toEqual({ metadata: { name: 'default', namespace: 'shop' } });
  expect(rootCertificateMap('shop', 'PEM')).toMatchObject({
    metadata: {
      name: 'kube-root-ca.crt',
      namespace: 'shop',
      annotations: { 'kubernetes.io/description': expect.any(String) },
    },
    data: { 'ca.crt': 'PEM' },
  });
});
