import { createHash, X509Certificate } from 'node:crypto';

/**
 * Reads certificates by the platform's own means. Creating them takes a library that costs a third of a second and tens of megabytes to
 * load (`certificates.ts`).
 */
export interface Validity {
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The subject attribute that is a user's uid (Kubernetes, `AllowParsingUserUIDFromCertAuth`). */
export const userUidAttribute = '1.3.6.1.4.1.57683.2';

/** PEM. */
export function validityOf(certificate: string): Validity {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return { notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) };
}

/** The time to renew a certificate: after two thirds of its lifetime. Milliseconds since the epoch. */
export function renewalTime({ notBefore, notAfter }: Validity): number {
  return notBefore + ((notAfter - notBefore) * 2) / 3;
}

export function shouldRenew(validity: Validity, now: number): boolean {
  return now >= renewalTime(validity);
}

/** kubeadm's `--discovery-token-ca-cert-hash`: SHA-256 of the certificate's public key (SPKI). PEM or DER. */
export function authorityHash(certificate: string | Uint8Array): string {
  return hashOf(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }));
}

export function hashOf(spki: Uint8Array): string {
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}
