import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { KeyPair } from '../../../shared/pki/certificates.ts';

export interface ServerTls {
  /** The CA that client certificates must come from, PEM. */
  readonly ca: string;
  readonly server: KeyPair;
}

/**
 * TLS that asks for a client certificate and takes the connection without one as well: a machine that joins has none
 * yet. grpc-js' own `createSsl` knows only "never" and "always". A certificate of another CA is not an error of the
 * handshake either, so whoever reads the peer must ask whether it is authorized: grpc-js' getAuthContext does, and
 * tells of no certificate when it is not. TLS 1.3 only: it has no renegotiation, so the certificate stays the verified one.
 */
export class OptionalClientCertificates extends ServerCredentials {
  constructor(tls: ServerTls) {
    super({ requestCert: true, rejectUnauthorized: false }, contextOptions(tls));
  }

  /** From now on new connections see these; those that are open stay as they are. */
  replace(tls: ServerTls): void {
    this.updateSecureContextOptions(contextOptions(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** The CA goes out with the server's certificate: a machine that joins knows it only by its hash. */
function contextOptions({ ca, server }: ServerTls): SecureContextOptions {
  return { ca: [ca], cert: [server.certificate + ca], key: [server.key], minVersion: 'TLSv1.3' };
}
