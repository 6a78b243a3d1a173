import type { PeerCertificate } from 'node:tls';
import { userUidAttribute } from '../../../shared/pki/inspect.ts';
import { nodeUserPrefix } from '../../../shared/well-known.ts';
import { groups, type Identity } from './identity.ts';

/** The identity without credentials. */
export const anonymous: Identity = { user: 'system:anonymous', groups: [groups.unauthenticated] };

/** The key of an identity's `extra` that names its certificate or token, for the audit log. */
const credentialId = 'authentication.kubernetes.io/credential-id';

/** A client certificate that the handshake verified against our CA, read once. */
export interface ClientCertificate {
  /** CN is the user, each O a group. Undefined without exactly one CN, or with more than one uid. */
  readonly identity: Identity | undefined;
  /** Its validity: milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Reads a verified certificate. Undefined when the peer sent none. */
export function readCertificate(certificate: PeerCertificate | undefined): ClientCertificate | undefined {
  if (!certificate?.raw) return undefined;
  return {
    identity: identityIn(certificate),
    notBefore: Date.parse(certificate.valid_from),
    notAfter: Date.parse(certificate.valid_to),
  };
}

/** Checked for each request, as a connection may outlive its certificate. `now`: milliseconds since the epoch. */
export function isGood({ notBefore, notAfter }: ClientCertificate, now: number): boolean {
  return notBefore <= now && now < notAfter;
}

function identityIn({ subject, fingerprint256 }: PeerCertificate): Identity | undefined {
  // Names that occur more than once arrive as an array, whatever the declared type says.
  const { CN, O, [userUidAttribute]: uid } = subject as Readonly<Record<string, string | string[] | undefined>>;
  if (typeof CN !== 'string' || CN === '' || Array.isArray(uid)) return undefined;
  const fingerprint = fingerprint256.replaceAll(':', '').toLowerCase();
  return {
    user: CN,
    groups: [...toArray(O), groups.authenticated],
    ...(uid ? { uid } : {}),
    extra: { [credentialId]: [`X509SHA256=${fingerprint}`] },
  };
}

export function nodeUser(nodeName: string): string {
  return nodeUserPrefix + nodeName;
}

/** The node's name if the identity is a node's: both its user and its group must be. */
export function nodeNameOf(identity: Pick<Identity, 'user' | 'groups'>): string | undefined {
  if (!identity.groups.includes(groups.nodes) || !identity.user.startsWith(nodeUserPrefix)) return undefined;
  return identity.user.slice(nodeUserPrefix.length) || undefined;
}

function toArray(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}
