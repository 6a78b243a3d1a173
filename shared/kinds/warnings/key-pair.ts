import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf } from '../../errors.ts';

/** The fault of a server's certificate and key (PEM), in the words of Go's `tls.X509KeyPair`. */
export function keyPairFault(cert: string, key: string): string | undefined {
  const certs = blocks(cert);
  const leaf = certs.find(({ type }) => type === 'CERTIFICATE');
  if (!leaf) return noCertificate(certs.map(({ type }) => type));
  const keys = blocks(key);
  const secret = keys.find(({ type }) => type.endsWith('PRIVATE KEY'));
  if (!secret) return noKey(keys.map(({ type }) => type));
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(leaf.text);
  } catch {
    return 'x509: malformed certificate';
  }
  try {
    const matches = certificate.checkPrivateKey(createPrivateKey(secret.text));
    return matches ? undefined : 'tls: private key does not match public key';
  } catch (error) {
    return `tls: failed to parse private key: ${messageOf(error)}`;
  }
}

function noCertificate(others: readonly string[]): string {
  if (others.length === 0) return 'tls: failed to find any PEM data in certificate input';
  if (others.length === 1 && others[0]?.endsWith('PRIVATE KEY')) {
    return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  }
  return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${others.join(' ')}]`;
}

function noKey(others: readonly string[]): string {
  if (others.length === 0) return 'tls: failed to find any PEM data in key input';
  if (others.length === 1 && others[0] === 'CERTIFICATE') {
    return 'tls: found a certificate rather than a key in the PEM for the private key';
  }
  return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${others.join(' ')}]`;
}

function blocks(pem: string): { type: string; text: string }[] {
  const found = pem.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g);
  return [...found].map(([text, type = '']) => ({ type, text }));
}
