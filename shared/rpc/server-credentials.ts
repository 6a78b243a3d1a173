import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { KeyPair } from '../pki/certificates.ts';

/** A server's certificate, and the CA that certificates of clients come from; PEM. */
export interface ServerTls {
  readonly ca: string;
  readonly server: KeyPair;
}

export interface ClientPolicy {
  /** A connection without a certificate of the CA is refused; false: it is taken without an identity. */
  readonly required: boolean;
  /** The CA goes out with the server's certificate: a machine that joins knows it only by its hash. */
  readonly sendsAuthority: boolean;
}

/**
 * TLS that asks for a client certificate, and whose own can be replaced. 1.3 only: it has no renegotiation, so a certificate stays the
 * verified one. grpc-js' `createSsl` knows only "never" and "always" for clients, and replaces nothing.
 */
export class ReplaceableCredentials extends ServerCredentials {
  readonly #policy: ClientPolicy;

  constructor(tls: ServerTls, policy: ClientPolicy) {
    super({ requestCert: true, rejectUnauthorized: policy.required }, contextOptions(tls, policy));
    this.#policy = policy;
  }

  /** From now on new connections see these; those that are open stay as they are. */
  replace(tls: ServerTls): void {
    this.updateSecureContextOptions(contextOptions(tls, this.#policy));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOptions({ ca, server }: ServerTls, { sendsAuthority }: ClientPolicy): SecureContextOptions {
  const cert = sendsAuthority ? server.certificate + ca : server.certificate;
  return { ca: [ca], cert: [cert], key: [server.key], minVersion: 'TLSv1.3' };
}
