import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { anonymous, type ClientCertificate, isGood, nodeNameOf } from './authentication.ts';
import type { Authorizer } from './identity.ts';
import { impersonate, impersonationOf } from './impersonation.ts';
import type { NodeCertificates } from './node-certificates.ts';
import type { Requester } from './requester.ts';
import { type TokenAuthenticator, TokenCache } from './token-cache.ts';

export interface AuthenticatorDeps {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  /** Authorizes impersonation. */
  readonly authorizer: Authorizer;
  /** Called one after the other. */
  readonly tokens?: readonly TokenAuthenticator[];
  /** Checks the enrollment of nodes. Absent: a node's certificate is valid within its time. */
  readonly nodes?: Pick<NodeCertificates, 'isGood'>;
}

/** What a request shows of its sender: its wire reads it from the connection and the headers. */
export interface ShownCredentials {
  /** The client certificate that the handshake verified, if one was shown. */
  readonly certificate: ClientCertificate | undefined;
  /** A certificate was shown that the cluster's CA did not sign. */
  readonly untrusted: boolean;
  /** HTTP headers or gRPC metadata: names in lower case, several values of one name joined by commas. */
  readonly headers: Headers;
  /** The same with the values of a name apart; only read of a request that impersonates a user. */
  distinct(): Readonly<Record<string, readonly string[] | undefined>>;
}

const unauthenticated: Requester = { identity: anonymous };

/**
 * Finds out who sends a request, as Kubernetes does: by the client certificate, else by the bearer token, else it is system:anonymous.
 * A credential that is shown and not valid is refused with Unauthorized, never taken for anonymous. Then impersonation is authorized.
 *
 * Without a token the answer comes without a promise. Throws (or rejects with) Unauthorized, Forbidden, BadRequest.
 */
export class Authenticator {
  readonly #clock: AuthenticatorDeps['clock'];
  readonly #authorizer: Authorizer;
  readonly #tokens: TokenCache;
  readonly #nodes: AuthenticatorDeps['nodes'];

  constructor({ clock, authorizer, tokens = [], nodes }: AuthenticatorDeps) {
    this.#clock = clock;
    this.#nodes = nodes;
    this.#authorizer = authorizer;
    this.#tokens = new TokenCache({ clock, authenticators: tokens });
  }

  authenticate(shown: ShownCredentials): Requester | Promise<Requester> {
    const found = this.#requesterOf(shown);
    for (const name in shown.headers) {
      if (!name.startsWith('impersonate-')) continue;
      const wanted = impersonationOf(shown.distinct());
      return then(found, (requester) => impersonate(requester, wanted, this.#authorizer));
    }
    return found;
  }

  #requesterOf({ certificate, untrusted, headers }: ShownCredentials): Requester | Promise<Requester> {
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
    return unauthenticated;
  }
}

type Headers = Readonly<Record<string, unknown>>;

/** The prefix of a WebSocket subprotocol that carries a token, as browsers cannot set headers. */
export const tokenProtocol = 'base64url.bearer.authorization.k8s.io.';

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

function then<T, U>(value: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}
