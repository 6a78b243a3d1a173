import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import type { KeyPair } from '../pki/certificates.ts';

/** A server's certificate, and the CA of client certificates; PEM. */
export interface ServerTls {
  readonly ca: string;
  readonly server: KeyPair;
}

export interface ClientPolicy {
  /** Whether a connection without a certificate of the CA is refused; otherwise it has no identity. */
  readonly required: boolean;
  /** Whether the CA is sent with the server's certificate: a machine that joins has only its hash. */
  readonly sendsAuthority: boolean;
}

/**
 * TLS with requested client certificates and a replaceable certificate of its own. 1.3 only: without renegotiation the verified
 * certificate stays. grpc-js' `createSsl` can only require client certificates or not request them, and replaces nothing.
 */
export class ReplaceableCredentials extends ServerCredentials {
  readonly #policy: ClientPolicy;

  constructor(tls: ServerTls, policy: ClientPolicy) {
    super({ requestCert: true, rejectUnauthorized: policy.required }, contextOptions(tls, policy));
    this.#policy = policy;
  }

  /** For new connections; open ones keep theirs. */
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
