import { X509Certificate } from 'node:crypto';
import { backoffMs } from '../../backoff.ts';
import { isApiError, messageOf } from '../../errors.ts';
import { validityOf } from '../../pki/inspect.ts';
import { fetchAuthority } from './authority.ts';
import { type EnrollmentDeps, type EnrollmentTarget, requestCertificate } from './certificate-request.ts';
import { type NodeCredentials, readCredentials, writeCredentials } from './credentials.ts';

export interface JoinOptions extends EnrollmentTarget {
  /** `ID.SECRET` */
  readonly token: string;
  /** `sha256:…` of the CA's public key: it identifies the server. */
  readonly caHash: string;
}

const backoff = { firstMs: 500, capMs: 15_000 };

/**
 * Joins the cluster: fetches the CA from the server, checks its hash, and requests the node's certificate of a server with a
 * certificate of that CA. Retries until aborted while the server cannot be reached or a live node has the name (its lease may be
 * about to expire); throws any other error.
 */
export async function joinCluster(
  options: JoinOptions,
  deps: EnrollmentDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const { address, nodeName, token, caHash } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      // The CA comes over a connection that is not trusted, which carries no token.
      const ca = await fetchAuthority(address, caHash, deps.clock, signal);
      return await requestCertificate({ address, nodeName, tls: { ca }, token }, deps, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isApiError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests', 'Conflict')) throw error;
      deps.log.warn({ component: 'enroll', server: address }, `cannot join yet: ${messageOf(error)}`);
      await deps.clock.sleep(backoffMs(attempt, backoff, deps.random), signal);
    }
  }
}

/** As JoinOptions, for a machine that may have its certificate already. `token`: a function is called only if it is needed. */
export interface LoadOrJoinOptions extends EnrollmentTarget {
  readonly token?: string | (() => Promise<string>) | undefined;
  readonly caHash?: string | undefined;
}

/** The credentials in `dir`, or new ones by joining with the token, which are then written there. */
export async function loadOrJoin(
  dir: string,
  options: LoadOrJoinOptions,
  deps: EnrollmentDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const kept = await readCredentials(dir);
  if (kept && validityOf(kept.node.certificate).notAfter > deps.clock.now() && nodeOf(kept) === options.nodeName) {
    return kept;
  }
  const { caHash } = options;
  const token = typeof options.token === 'function' ? await options.token() : options.token;
  if (!token || !caHash) {
    throw new Error('this machine has no valid node certificate: a join token and the CA hash are needed');
  }
  const credentials = await joinCluster({ ...options, token, caHash }, deps, signal);
  await writeCredentials(dir, credentials, deps.random);
  return credentials;
}

/** Undefined if the certificate names no node. */
function nodeOf({ node }: NodeCredentials): string | undefined {
  return /(?:^|\n)CN=system:node:(.+)/.exec(new X509Certificate(node.certificate).subject)?.[1];
}
