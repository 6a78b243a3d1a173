import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { nodeUserPrefix } from '../../../shared/well-known.ts';
import { groups, type Identity } from '../identity.ts';

/** Who has shown no certificate. */
export const anonymous: Identity = { user: 'system:anonymous', groups: [groups.unauthenticated] };

/** Among what is known of an identity: which certificate or token it showed, for the audit log. */
const credentialId = 'authentication.kubernetes.io/credential-id';

/**
 * Who a client certificate says its holder is: CN is the user, each O a group. The certificate must already have been
 * verified against our CA; it is looked at anew for each request, since a connection may outlive it. `now`:
 * milliseconds since the epoch. Undefined when the certificate names nobody or is out of its time.
 */
export function identityOfCertificate(
  certificate: PeerCertificate | DetailedPeerCertificate | undefined,
  now: number,
): Identity | undefined {
  if (!certificate?.raw) return undefined;
  if (!isWithinItsTime(certificate, now)) return undefined;
  // Names that occur more than once arrive as an array, whatever the declared type says.
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  if (typeof CN !== 'string' || CN === '') return undefined;
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  return {
    user: CN,
    groups: [...toArray(O), groups.authenticated],
    extra: { [credentialId]: [`X509SHA256=${fingerprint}`] },
  };
}

export function isWithinItsTime(certificate: Pick<PeerCertificate, 'valid_from' | 'valid_to'>, now: number): boolean {
  return Date.parse(certificate.valid_from) <= now && now < Date.parse(certificate.valid_to);
}

export function nodeUser(nodeName: string): string {
  return nodeUserPrefix + nodeName;
}

/** The node that the identity is, or undefined: the user and the group must both say so. */
export function nodeNameOf(identity: Pick<Identity, 'user' | 'groups'>): string | undefined {
  if (!identity.groups.includes(groups.nodes) || !identity.user.startsWith(nodeUserPrefix)) return undefined;
  return identity.user.slice(nodeUserPrefix.length) || undefined;
}

function toArray(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
