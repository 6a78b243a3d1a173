import { X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { splitAddress } from '../address.ts';
import { backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import { ApiError, isApiError, messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { KeyPair } from '../pki/certificates.ts';
import { readKeyPair, writeFileAtomic, writeKeyPair } from '../pki/files.ts';
import { authorityHash, renewalTime, validityOf } from '../pki/inspect.ts';
import type { Random } from '../random.ts';
import { nodesGroup, nodeUserPrefix, serverUser } from '../well-known.ts';
import { type ChannelOptions, createRpcChannel, type RpcChannel } from './channel.ts';
import type { EnrollRequest } from './messages.ts';
import type { RpcSchema } from './schema.ts';

export interface EnrollDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly schema?: RpcSchema;
}

/** What a node proves itself with, and trusts. PEM. */
export interface NodeCredentials {
  readonly ca: string;
  readonly node: KeyPair;
}

export interface JoinOptions {
  /** `host:port` of the server's gRPC listener. */
  readonly address: string;
  readonly nodeName: string;
  /** `ID.SECRET` */
  readonly token: string;
  /** `sha256:…` of the CA's public key: what makes sure that the server is the right one. */
  readonly caHash: string;
}

const backoff = { firstMs: 500, capMs: 15_000 } as const;
const refusedBackoff = { firstMs: 60_000, capMs: 10 * 60_000 } as const;
const dialMs = 10_000;
const maxPauseMs = 60 * 60 * 1000;
const maxChain = 8;

/**
 * Joins the cluster: dials a server that nothing vouches for yet, accepts it only when a CA of the hash given signed its
 * certificate, and asks for the node's own. Tried again until the signal says otherwise while the server can't be
 * reached or the name is still taken by a live node (its lease may be about to run out); anything else is thrown.
 */
export async function joinCluster(
  options: JoinOptions,
  deps: EnrollDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await enrollOnce(options, deps, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isApiError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests', 'Conflict')) throw error;
      deps.log.warn({ component: 'enroll', server: options.address }, `cannot join yet: ${messageOf(error)}`);
      await deps.clock.sleep(backoffMs(attempt, backoff, deps.random), signal);
    }
  }
}

/** As JoinOptions, for a machine that may have its certificate already. `token`: a function is asked only when it is needed. */
export interface LoadOrJoinOptions extends Omit<JoinOptions, 'token' | 'caHash'> {
  readonly token?: string | (() => Promise<string>) | undefined;
  readonly caHash?: string | undefined;
}

/** The credentials kept in `dir`, or new ones from joining with the token, which are then kept there. */
export async function loadOrJoin(
  dir: string,
  options: LoadOrJoinOptions,
  deps: EnrollDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const kept = await readCredentials(dir);
  if (kept && validityOf(kept.node.certificate).notAfter > deps.clock.now() && nodeIn(kept) === options.nodeName) {
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

/**
 * Renews the node's certificate when two thirds of its life are over, keeps it in `dir` and hands it to `onRenewed`.
 * Runs until aborted; failures are tried again with a backoff.
 */
export async function keepRenewed(
  dir: string,
  options: Pick<JoinOptions, 'address' | 'nodeName'> & { serverName?: string },
  credentials: NodeCredentials,
  onRenewed: (credentials: NodeCredentials) => void,
  deps: EnrollDeps,
  signal: AbortSignal,
): Promise<void> {
  let current = credentials;
  let pace: { readonly firstMs: number; readonly capMs: number } = backoff;
  for (let attempt = 0; !signal.aborted; ) {
    const wait = renewalTime(validityOf(current.node.certificate)) - deps.clock.now();
    // Long timers are cut short: the clock may be set, and a timer holds no more than 2^31 ms.
    const pause = wait > 0 ? Math.min(wait, maxPauseMs) : attempt > 0 ? backoffMs(attempt, pace, deps.random) : 0;
    try {
      await deps.clock.sleep(pause, signal);
      if (wait > pause) continue;
      current = await renewOnce(options, current, deps, signal);
      await writeCredentials(dir, current, deps.random);
      attempt = 0;
      onRenewed(current);
    } catch (error) {
      if (signal.aborted) return;
      attempt++;
      // A refusal stands until a person does something.
      pace = isApiError(error, 'Forbidden', 'Unauthorized') ? refusedBackoff : backoff;
      deps.log.warn({ component: 'enroll', err: error }, `cannot renew the node certificate yet: ${messageOf(error)}`);
    }
  }
}

/** Undefined when the certificate names no node. */
function nodeIn({ node }: NodeCredentials): string | undefined {
  return /(?:^|\n)CN=system:node:(.+)/.exec(new X509Certificate(node.certificate).subject)?.[1];
}

/** Undefined when some of it is missing. */
export async function readCredentials(dir: string): Promise<NodeCredentials | undefined> {
  const node = await readKeyPair(dir, 'node');
  if (!node) return undefined;
  return { ca: await readFile(join(dir, 'ca.crt'), 'utf8'), node };
}

async function writeCredentials(dir: string, { ca, node }: NodeCredentials, random: Random): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFileAtomic(join(dir, 'ca.crt'), ca, random, 0o644);
  await writeKeyPair(dir, 'node', node, random);
}

/** The CA first, from a connection that is trusted with nothing; then the token, on one that this CA vouches for. */
async function enrollOnce(options: JoinOptions, deps: EnrollDeps, signal: AbortSignal): Promise<NodeCredentials> {
  const ca = await fetchAuthority(options.address, options.caHash, deps.clock, signal);
  const channel = createRpcChannel({ address: options.address, tls: { ca, serverUser } }, deps);
  try {
    const { key, request } = await signingRequest(options.nodeName);
    const message = { token: options.token, node_name: options.nodeName, csr: request };
    return await ask(channel, channel.schema.enrollment.Enroll, message, key, options.caHash, signal);
  } finally {
    channel.close();
  }
}

/**
 * The certificate, PEM, of the CA with the public key of that hash, out of the chain that the server at `address` shows.
 * Nothing is sent to the server. Unauthorized when there is no such CA in the chain.
 */
export async function fetchAuthority(
  address: string,
  caHash: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  for (const certificate of await shownChain(address, clock, signal)) {
    if (authorityHash(certificate) === caHash) return new X509Certificate(certificate).toString();
  }
  throw new ApiError('Unauthorized', `the server at ${address} does not belong to the cluster with the CA ${caHash}`);
}

/** The certificates that a TLS server shows, its own first, DER. */
function shownChain(address: string, clock: Clock, signal: AbortSignal): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const { host, port } = splitAddress(address);
    const servername = isIP(host) ? '' : host;
    const socket = connect({ host, port, servername, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    const unreachable = (why: string) => new ApiError('ServiceUnavailable', `cannot reach ${address}: ${why}`);
    const timer = clock.timer(dialMs, () => finish(() => reject(unreachable('no answer in time'))));
    const onAbort = (): void => finish(() => reject(signal.reason));
    const finish = (settle: () => void): void => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      settle();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error) => finish(() => reject(unreachable(error.message))));
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      finish(() => resolve(chain));
    });
  });
}

function chainOf(own: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  // A root's issuer is itself.
  for (let next: DetailedPeerCertificate | undefined = own; next?.raw && chain.length < maxChain; ) {
    chain.push(next.raw);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

async function renewOnce(
  options: Pick<JoinOptions, 'address' | 'nodeName'> & { serverName?: string },
  { ca, node }: NodeCredentials,
  deps: EnrollDeps,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const tls: ChannelOptions['tls'] = {
    ca,
    credentials: node,
    serverUser,
    ...(options.serverName ? { serverName: options.serverName } : {}),
  };
  const channel = createRpcChannel({ address: options.address, tls }, deps);
  try {
    const { key, request } = await signingRequest(options.nodeName);
    const message = { node_name: options.nodeName, csr: request };
    return await ask(channel, channel.schema.enrollment.Renew, message, key, authorityHash(ca), signal);
  } finally {
    channel.close();
  }
}

async function ask(
  channel: RpcChannel,
  method: RpcChannel['schema']['enrollment']['Enroll'],
  message: EnrollRequest,
  key: string,
  caHash: string,
  signal: AbortSignal,
): Promise<NodeCredentials> {
  const { certificate, ca } = await channel.unary(method, message, { signal });
  if (!certificate || !ca) throw new ApiError('InternalError', 'the server sent no certificate');
  if (authorityHash(ca) !== caHash) throw new ApiError('Unauthorized', 'the server sent another CA than its own');
  return { ca, node: { certificate, key } };
}

async function signingRequest(nodeName: string): Promise<{ request: string; key: string }> {
  const { createSigningRequest } = await import('../pki/certificates.ts');
  return createSigningRequest({ user: nodeUserPrefix + nodeName, groups: [nodesGroup] });
}
