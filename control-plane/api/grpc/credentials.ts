import type { Metadata } from '@grpc/grpc-js';
import type { AuthContext } from '@grpc/grpc-js/build/src/auth-context.js';
import { type ClientCertificate, readCertificate } from '../auth/authentication.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import { unescaped } from '../auth/impersonation.ts';

/** The parts of a gRPC call that show its sender. */
export interface AuthenticatedCall {
  readonly metadata: Metadata;
  getAuthContext(): AuthContext;
}

/** What a call shows of its sender. gRPC hides a certificate that another CA signed: its holder counts as one without. */
export function shownBy(call: AuthenticatedCall): ShownCredentials {
  const headers = call.metadata.getMap();
  return {
    certificate: certificateOf(call),
    untrusted: false,
    headers,
    distinct: () => valuesOf(call.metadata, Object.keys(headers)),
  };
}

/**
 * The verified certificate of a gRPC connection. grpc-js reads it anew for each call; it stays what the handshake verified, as the
 * port requires TLS 1.3, which has no renegotiation.
 */
function certificateOf(call: Pick<AuthenticatedCall, 'getAuthContext'>): ClientCertificate | undefined {
  return readCertificate(call.getAuthContext().sslPeerCertificate);
}

/** gRPC joins the values of one name by commas, so a value with a comma, or with other than ASCII, comes percent-encoded. */
function valuesOf(metadata: Metadata, names: readonly string[]): Record<string, string[]> {
  const values = (name: string): string[] =>
    metadata.get(name).flatMap((value) =>
      String(value)
        .split(',')
        .map((one) => unescaped(one.trim())),
    );
  return Object.fromEntries(names.map((name) => [name, values(name)]));
}
