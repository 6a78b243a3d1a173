import type { IncomingMessage } from 'node:http';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import type { Metadata } from '@grpc/grpc-js';
import type { AuthContext } from '@grpc/grpc-js/build/src/auth-context.js';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Authorizer, Identity } from '../identity.ts';
import { anonymous, identityOfCertificate, isWithinItsTime } from './authentication.ts';
import { impersonate, unescaped, wishesOf } from './impersonation.ts';
import { TokenCache } from './token-cache.ts';

/** Knows the holders of one sort of tokens. */
export interface TokenAuthenticator {
  /**
   * Who holds the token, all groups but system:authenticated included, which is added. Undefined when it is none of
   * this sort, or is not good (any more): the next one is asked. Throws when it cannot be told.
   */
  authenticate(token: string): Promise<Identity | undefined>;
}

export interface AuthenticatorDeps {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** Says who may act as somebody else. */
  readonly authorizer: Authorizer;
  /** Asked one after the other. */
  readonly tokens?: readonly TokenAuthenticator[];
}

/** Who a request comes from. */
export interface Requester {
  /** Who it is to be carried out as. */
  readonly identity: Identity;
  /** Who sent it, when that is somebody else. */
  readonly impersonator?: Identity;
}

/** The parts of a gRPC call that say who calls. */
export interface AuthenticatedCall {
  readonly metadata: Metadata;
  getAuthContext(): AuthContext;
}

/** How long a connection's identity is taken for granted (ms): so much longer than its certificate may it be used. */
const identityMs = 1_000;

/** What a TLS connection has shown. */
interface Shown {
  /** Undefined: no certificate, or one that names nobody. */
  readonly requester: Requester | undefined;
  /** A certificate was shown that is not to be trusted, or not at this time. */
  readonly untrusted: boolean;
  readonly until: number;
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
  readonly #connections = new WeakMap<TLSSocket, Shown>();
  /** Reading a certificate costs as much as answering a small request, and a connection's never changes. */
  readonly #certificates = new WeakMap<TLSSocket, PeerCertificate>();

  constructor({ clock, authorizer, tokens = [] }: AuthenticatorDeps) {
    this.#clock = clock;
    this.#authorizer = authorizer;
    this.#tokens = new TokenCache({ clock, authenticators: tokens });
  }

  /** Who sent an HTTP request over TLS. The socket's client certificate is optional and may be anybody's. */
  ofRequest(request: Pick<IncomingMessage, 'socket' | 'headers' | 'headersDistinct'>): Requester | Promise<Requester> {
    const { headers } = request;
    const shown = this.#shownBy(request.socket as TLSSocket);
    const found = shown.requester ?? this.#byToken(bearerToken(headers), shown.untrusted);
    for (const name in headers) {
      if (!name.startsWith('impersonate-')) continue;
      const wishes = wishesOf(request.headersDistinct);
      return then(found, ({ identity }) => impersonate(identity, wishes, this.#authorizer));
    }
    return found;
  }

  /** Who makes a gRPC call. Of a certificate that is not ours gRPC does not tell: its holder counts as one without. */
  ofCall(call: AuthenticatedCall): Requester | Promise<Requester> {
    const { metadata } = call;
    const { sslPeerCertificate: certificate } = call.getAuthContext();
    const now = this.#clock.now();
    const identity = identityOfCertificate(certificate, now);
    const untrusted = certificate?.raw !== undefined && !isWithinItsTime(certificate, now);
    const headers = metadata.getMap();
    const found = identity ? { identity } : this.#byToken(bearerToken(headers), untrusted);
    for (const name in headers) {
      if (!name.startsWith('impersonate-')) continue;
      const wishes = wishesOf(allOf(metadata, Object.keys(headers)));
      return then(found, (requester) => impersonate(requester.identity, wishes, this.#authorizer));
    }
    return found;
  }

  #shownBy(socket: TLSSocket): Shown {
    const monotonic = this.#clock.monotonic();
    const known = this.#connections.get(socket);
    if (known && known.until > monotonic) return known;
    let certificate = this.#certificates.get(socket);
    if (!certificate) {
      certificate = socket.getPeerCertificate();
      this.#certificates.set(socket, certificate);
    }
    const now = this.#clock.now();
    const identity = socket.authorized ? identityOfCertificate(certificate, now) : undefined;
    const shown: Shown = {
      requester: identity && { identity },
      untrusted: certificate?.raw !== undefined && !(socket.authorized && isWithinItsTime(certificate, now)),
      until: monotonic + identityMs,
    };
    this.#connections.set(socket, shown);
    return shown;
  }

  #byToken(token: string | undefined, untrusted: boolean): Requester | Promise<Requester> {
    if (token !== undefined) return this.#tokens.holderOf(token);
    if (untrusted) throw new ApiError('Unauthorized', 'Unauthorized');
    return nobody;
  }
}

/** How a browser's WebSocket, which can set no headers, carries a token: as one of the protocols that it offers. */
const tokenProtocol = 'base64url.bearer.authorization.k8s.io.';

function bearerToken(headers: Readonly<Record<string, unknown>>): string | undefined {
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

function then<T, U>(value: T | Promise<T>, next: (value: T) => U): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
