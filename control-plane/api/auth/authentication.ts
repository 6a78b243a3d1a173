import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from 'node:tls';
import { nodeUserPrefix } from '../../../shared/well-known.ts';
import { groups, type Identity } from '../identity.ts';

/** Who has shown no certificate. */
export const anonymous: Identity = { user: 'system:anonymous', groups: [groups.unauthenticated] };

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
  if (Date.parse(certificate.valid_to) <= now || Date.parse(certificate.valid_from) > now) return undefined;
  // Names that occur more than once arrive as an array, whatever the declared type says.
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  if (typeof CN !== 'string' || CN === '') return undefined;
  return { user: CN, groups: [...toArray(O), groups.authenticated] };
}

/**
 * The identity behind a TLS connection whose client certificate is optional. Only a certificate that the TLS layer
 * has verified counts: any other leaves its holder anonymous.
 */
export function identityOfSocket(socket: TLSSocket, now: number): Identity {
  if (!socket.authorized) return anonymous;
  return identityOfCertificate(socket.getPeerCertificate(), now) ?? anonymous;
}

/**
 * The same for servers that are asked often on one connection: reading a certificate costs as much as answering a
 * small request, and a connection's certificate never changes. Its time is still looked at for each request.
 */
export class SocketIdentities {
  readonly #certificates = new WeakMap<TLSSocket, PeerCertificate>();

  of(socket: TLSSocket, now: number): Identity {
    if (!socket.authorized) return anonymous;
    let certificate = this.#certificates.get(socket);
    if (!certificate) {
      certificate = socket.getPeerCertificate();
      this.#certificates.set(socket, certificate);
    }
    return identityOfCertificate(certificate, now) ?? anonymous;
  }
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
