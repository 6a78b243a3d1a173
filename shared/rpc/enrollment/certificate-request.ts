import type { Clock } from '../../clock.ts';
import { ApiError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { authorityHash } from '../../pki/inspect.ts';
import type { Random } from '../../random.ts';
import { nodesGroup, nodeUserPrefix, serverUser } from '../../well-known.ts';
import { type ClientTls, createRpcChannel } from '../channel.ts';
import type { RpcSchema } from '../schema.ts';
import type { NodeCredentials } from './credentials.ts';

export interface EnrollmentDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly schema?: RpcSchema;
}

/** The server and the node that a certificate is requested for. */
export interface EnrollmentTarget {
  /** `host:port` of the server's gRPC listener. */
  readonly address: string;
  readonly nodeName: string;
}

/** `token`: authenticates a first request; absent: the certificate in `tls` does. */
interface CertificateRequest extends EnrollmentTarget {
  readonly tls: Omit<ClientTls, 'serverUser'>;
  readonly token?: string;
}

/** Requests a certificate for a new key, of a server with a certificate of the CA in `tls`. Throws ApiError. */
export async function requestCertificate(
  { address, nodeName, tls, token }: CertificateRequest,
  deps: EnrollmentDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const channel = createRpcChannel({ address, tls: { ...tls, serverUser } }, deps);
  try {
    const { createSigningRequest } = await import('../../pki/certificates.ts');
    const { key, request } = await createSigningRequest({ user: nodeUserPrefix + nodeName, groups: [nodesGroup] });
    const { Enroll, Renew } = channel.schema.enrollment;
    const message = { node_name: nodeName, csr: request, ...(token === undefined ? {} : { token }) };
    const { certificate, ca } = await channel.unary(token === undefined ? Renew : Enroll, message, { signal });
    if (!certificate || !ca) throw new ApiError('InternalError', 'the server sent no certificate');
    if (authorityHash(ca) !== authorityHash(tls.ca)) {
      throw new ApiError('Unauthorized', 'the server sent another CA than its own');
    }
    return { ca, node: { certificate, key } };
  } finally {
    channel.close();
  }
}
