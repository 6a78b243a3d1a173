import type { IncomingMessage } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import type { Metadata } from '@grpc/grpc-js';
import type { AuthContext } from '@grpc/grpc-js/build/src/auth-context.js';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { anonymous, type ClientCertificate, isGood, nodeNameOf, readCertificate } from './authentication.ts';
import type { Authorizer } from './identity.ts';
import { impersonate, unescaped, wishesOf } from './impersonation.ts';
import type { NodeCertificates } from './node-certificates.ts';
import type { Requester } from './requester.ts';
import { type TokenAuthenticator, TokenCache } from './token-cache.ts';

export interface AuthenticatorDeps {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** Says who may act as somebody else. */
  readonly authorizer: Authorizer;
  /** Asked one after the other. */
  readonly tokens?: readonly TokenAuthenticator[];
  /** Asked about each certificate of a node. Absent: all that are within their time count. */
  readonly nodes?: Pick<NodeCertificates, 'isGood'>;
}

/** The parts of a gRPC call that say who calls. */
export interface AuthenticatedCall {
  readonly metadata: Metadata;
  getAuthContext(): AuthContext;
}

/** The parts of a TLS connection that say who the peer is. */
export interface VerifiedSocket {
  /** Whether the peer's certificate is of our CA. */
  readonly authorized: boolean;
  getPeerCertificate(): PeerCertificate;
}

/** What the handshake of a TLS connection established. `untrusted`: a certificate was shown that our CA did not sign. */
interface Peer {
  readonly certificate: ClientCertificate | undefined;
  readonly untrusted: boolean;
}

const nobody: Requester = { identity: anonymous };

/**
 * Finds out who asks, as Kubernetes does: by the client certificate; else by the bearer token; else it is
 * system:anonymous. Who shows something that is not good is refused with Unauthorized, and not taken for anonymous.
 * Then, when the request wants to be carried out as somebody else, whether it may.
 *
 * The answer is at hand at once wherever no token has to be looked at. Throws (or rejects with) Unauthorized, Forbidden,
 * BadRequest.
 */
export class Authenticator {
  readonly #clock: AuthenticatorDeps['clock'];
  readonly #authorizer: Authorizer;
  readonly #tokens: TokenCache;
  readonly #nodes: AuthenticatorDeps['nodes'];
  readonly #peers = new WeakMap<object, Peer>();

  constructor({ clock, authorizer, tokens = [], nodes }: AuthenticatorDeps) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#authorizer = authorizer;
    this.#tokens = new TokenCache({ clock, authenticators: tokens });
  }

  /**
   * Takes the peer's certificate and the verdict on it together, when the handshake has ended. What the connection says
   * of its peer later is never asked. To be called for each connection, before its first request.
   */
  connected(socket: VerifiedSocket): void {
    const { authorized } = socket;
    const shown = socket.getPeerCertificate();
    const certificate = authorized ? readCertificate(shown) : undefined;
    this.#peers.set(socket, { certificate, untrusted: !authorized && shown?.raw !== undefined });
  }

  /** Who sent an HTTP request over TLS, on a connection that was handed to `connected`. */
  ofRequest(request: Pick<IncomingMessage, 'socket' | 'headers' | 'headersDistinct'>): Requester | Promise<Requester> {
    const { headers } = request;
    const peer = this.#peers.get(request.socket);
    if (!peer) throw new ApiError('InternalError', 'the connection has not been authenticated');
    const found = this.#holderOf(peer, headers);
    for (const name in headers) {
      if (!name.startsWith('impersonate-')) continue;
      const wishes = wishesOf(request.headersDistinct);
      return then(found, (requester) => impersonate(requester, wishes, this.#authorizer));
    }
    return found;
  }

  /** Who makes a gRPC call. Of a certificate that is not ours gRPC does not tell: its holder counts as one without. */
  ofCall(call: AuthenticatedCall): Requester | Promise<Requester> {
    const { metadata } = call;
    const headers = metadata.getMap();
    const found = this.#holderOf({ certificate: certificateOf(call), untrusted: false }, headers);
    for (const name in headers) {
      if (!name.startsWith('impersonate-')) continue;
      const wishes = wishesOf(allOf(metadata, Object.keys(headers)));
      return then(found, (requester) => impersonate(requester, wishes, this.#authorizer));
    }
    return found;
  }

  #holderOf({ certificate, untrusted }: Peer, headers: Headers): Requester | Promise<Requester> {
    const good = certificate !== undefined && isGood(certificate, this.#clock.now());
    const bad = untrusted || (certificate !== undefined && !good);
    if (!good || !certificate.identity) return this.#byToken(bearerToken(headers), bad);
    const { identity, notAfter } = certificate;
    const name = nodeNameOf(identity);
    if (name === undefined || !this.#nodes) return { identity, credential: { notAfter } };
    const node = { name, uid: identity.uid };
    const requester = { identity, credential: { notAfter, node } };
    return then(this.#nodes.isGood(node), (counts) => (counts ? requester : this.#byToken(bearerToken(headers), true)));
  }

  #byToken(token: string | undefined, untrusted: boolean): Requester | Promise<Requester> {
    if (token !== undefined) return this.#tokens.holderOf(token);
    if (untrusted) throw new ApiError('Unauthorized', 'Unauthorized');
    return nobody;
  }
}

/**
 * The verified certificate of a gRPC connection. gRPC reads it for each call: it stays what the handshake verified because
 * TLS 1.3, which the port requires, knows no renegotiation.
 */
export function certificateOf(call: Pick<AuthenticatedCall, 'getAuthContext'>): ClientCertificate | undefined {
  return readCertificate(call.getAuthContext().sslPeerCertificate);
}

type Headers = Readonly<Record<string, unknown>>;

/** How a browser's WebSocket, which can set no headers, carries a token: as one of the protocols that it offers. */
const tokenProtocol = 'base64url.bearer.authorization.k8s.io.';

function bearerToken(headers: Headers): string | undefined {
  const { authorization, 'sec-websocket-protocol': protocols } = headers;
  if (authorization !== undefined) {
    const [scheme = '', token = ''] = String(authorization).trim().split(' ');
    if (scheme.toLowerCase() === 'bearer' && token !== '') return token;
  }
  if (protocols === undefined || !String(protocols).includes(tokenProtocol)) return undefined;
  for (const one of String(protocols).split(',')) {
    const protocol = one.trim();
    if (!protocol.startsWith(tokenProtocol)) continue;
    return Buffer.from(protocol.slice(tokenProtocol.length), 'base64url').toString();
  }
  return undefined;
}

/** gRPC puts commas between the values of one name, so values that hold some, or no ASCII, come percent-encoded. */
function allOf(metadata: Metadata, names: readonly string[]): Record<string, string[]> {
  const values = (name: string): string[] =>
    metadata.get(name).flatMap((value) =>
      String(value)
        .split(',')
        .map((one) => unescaped(one.trim())),
    );
  return Object.fromEntries(names.map((name) => [name, values(name)]));
}

function then<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
