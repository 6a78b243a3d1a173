import type { IncomingMessage } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import { ApiError } from '../../../shared/errors.ts';
import { type ClientCertificate, readCertificate } from '../auth/authentication.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';

/** The parts of a TLS connection that show its peer. */
export interface VerifiedSocket {
  /** Whether the cluster's CA signed the peer's certificate. */
  readonly authorized: boolean;
  getPeerCertificate(): PeerCertificate;
}

/** An address of a socket. An IPv4 one is shown without the prefix that it has on a socket for both versions. */
export function plainAddress(address = ''): string {
  return address.replace(/^::ffff:/, '');
}

/** What a handshake established of its peer. */
interface Peer {
  readonly certificate: ClientCertificate | undefined;
  readonly untrusted: boolean;
}

/** The client certificates of the open connections. */
export class Connections {
  readonly #peers = new WeakMap<object, Peer>();

  /**
   * Reads the peer's certificate and whether it is trusted, together, when the handshake has ended. What the connection says of its
   * peer later is not read. To be called for each connection, before its first request.
   */
  connected(socket: VerifiedSocket): void {
    const { authorized } = socket;
    const shown = socket.getPeerCertificate();
    const certificate = authorized ? readCertificate(shown) : undefined;
    this.#peers.set(socket, { certificate, untrusted: !authorized && shown?.raw !== undefined });
  }

  /** What a request shows of its sender. Throws InternalError on a connection that was not handed to `connected`. */
  shownBy(request: Pick<IncomingMessage, 'socket' | 'headers' | 'headersDistinct'>): ShownCredentials {
    const peer = this.#peers.get(request.socket);
    if (!peer) throw new ApiError('InternalError', 'the connection has not been authenticated');
    const { certificate, untrusted } = peer;
    return { certificate, untrusted, headers: request.headers, distinct: () => request.headersDistinct };
  }
}
