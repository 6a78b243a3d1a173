import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type ServerOptions, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Registry } from 'prom-client';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Api } from '../api.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { forbiddenError } from '../auth/authorizer.ts';
import type { Authorizer } from '../auth/identity.ts';
import type { LiveCredentials } from '../auth/live-credentials.ts';
import type { Documents } from '../auth/tokens/issuer-documents.ts';
import type { Auditor } from '../chain/audit/auditor.ts';
import type { FairGate } from '../chain/fairness/gate.ts';
import { type Admitted, admitRequest } from './admit.ts';
import { beginTrail } from './audit.ts';
import { ClientErrors } from './client-errors.ts';
import { formatFor, isPretty } from './encoding/negotiate.ts';
import { RecentEncodings } from './encoding/recent-encodings.ts';
import type { Check } from './handlers/health.ts';
import { Paths } from './handlers/non-resource.ts';
import { serveResource } from './handlers/resource.ts';
import { RequestMetrics } from './metrics.ts';
import { hasTable, isLongRunning, type Route, routeOf } from './request-info/route.ts';
import { unservedAttributes } from './request-info/unserved.ts';
import { type Reply, sendError, toApiError } from './responses/respond.ts';
import { RestContext } from './rest-context.ts';
import type { Upgrade } from './streams/connect.ts';
import { refuseBody, takeOver } from './streams/take-over.ts';

/** A request that is no watch and no log ends by then. */
const requestMs = 60_000;
/** An answer of which less than this (bytes) waits to be taken may wait for as long as its connection. */
const maxUntaken = 64 * 1024;
/** The most header bytes of a request; the most connections at a time. */
const maxHeaderBytes = 32 * 1024;
const maxConnections = 10_000;
/** A connection must bring a request's head, and then all of it, within these; idle ones are kept a while. */
const headersMs = 10_000;
const idleMs = 120_000;
/** On closing, what is being answered gets this long. */
const drainMs = 5_000;

export interface TlsMaterial {
  /** PEM: the server's certificate with its chain, its key, and the CA that signs clients. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface RestServerDeps {
  readonly api: Api;
  /** RecordedEvent of each verified connection, then asked who sends each request on it: a connection may outlive a certificate. */
  readonly authenticator: Pick<Authenticator, 'connected' | 'ofRequest'>;
  /** Ends streams with the certificates that they were opened with. Absent: they last. */
  readonly live?: Pick<LiveCredentials, 'follow'>;
  /** For paths that are no resources; the pipeline asks for the rest. */
  readonly authorizer: Authorizer;
  /** Shares the server among its users. Absent: all are let in at once. */
  readonly gate?: FairGate;
  /** Gives requests their ids, and writes what there is to be written of them. Absent: neither. */
  readonly auditor?: Auditor;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls: TlsMaterial;
  /** How long a request may take to come, unless its body is a stream; absent: a minute. */
  readonly requestMs?: number;
  /** What `/metrics` shows; the server adds its own figures. Absent: no metrics. */
  readonly registry?: Registry;
  /** What is to be known of the issuer of our tokens. */
  readonly issuer?: Documents;
  /** What `/readyz` and `/livez` ask, by name. */
  readonly checks?: {
    readonly ready?: Readonly<Record<string, Check>>;
    readonly live?: Readonly<Record<string, Check>>;
  };
}

export interface RestServer {
  /** Port 0: any free one. Resolves with the port. */
  listen(port: number, host?: string): Promise<number>;
  /** For connections that are made from now on. */
  setCertificate(tls: TlsMaterial): void;
  /** Takes no more connections, ends watches, waits a little for the other requests. */
  close(): Promise<void>;
}

/** Kubernetes' REST API over HTTPS, derived from the kind table. */
export function createRestServer(deps: RestServerDeps): RestServer {
  const closing = new AbortController();
  const handler = new Handler(deps, closing.signal);
  const within = deps.requestMs ?? requestMs;
  const server = createServer(serverOptions(deps.tls, within), handler.listener);
  // Before the listener that reads requests from the connection.
  server.prependListener('secureConnection', (socket) => deps.authenticator.connected(socket));
  server.on('upgrade', handler.onUpgrade);
  server.on('clientError', handler.clientErrors.listener);
  server.maxConnections = maxConnections;
  server.requestTimeout = within;
  server.headersTimeout = Math.min(headersMs, within);
  server.keepAliveTimeout = idleMs;
  server.on('tlsClientError', (error) => deps.log.debug({ err: messageOf(error) }, 'a TLS handshake failed'));
  return {
    listen: (port, host) => listen(server, port, host),
    setCertificate: (tls) => server.setSecureContext(tls),
    close: () => close(server, closing, deps.clock),
  };
}

function serverOptions(tls: TlsMaterial, within: number): ServerOptions {
  return {
    ...tls,
    // A connection without a certificate is anonymous, not refused: it may ask for health and version.
    requestCert: true,
    rejectUnauthorized: false,
    // It has no renegotiation: a connection's certificate stays the one that the handshake verified.
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    maxHeaderSize: maxHeaderBytes,
    noDelay: true,
    connectionsCheckingInterval: within / 2,
  };
}

/** Serves requests one by one; holds nothing of any of them. */
class Handler {
  readonly #deps: RestServerDeps;
  readonly #closing: AbortSignal;
  readonly #paths: Paths;
  readonly #encodings = new RecentEncodings();
  readonly clientErrors = new ClientErrors();
  readonly #metrics: RequestMetrics | undefined;

  constructor(deps: RestServerDeps, closing: AbortSignal) {
    this.#deps = deps;
    this.#closing = closing;
    this.#paths = new Paths(deps);
    this.#metrics = deps.registry && new RequestMetrics(deps.registry);
  }

  readonly listener: RequestListener = (request, response) => {
    this.#serve(request, response).catch((error: unknown) => {
      this.#deps.log.error({ err: messageOf(error) }, 'a request could not be answered');
      response.destroy();
    });
  };

  /** The request is served as any other; only what serves streams takes the connection over. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { response, upgrade } = takeOver(request, socket, head, this.#deps.log);
    this.#serve(request, response, upgrade).catch((error: unknown) => {
      this.#deps.log.error({ err: messageOf(error) }, 'a request could not be answered');
      socket.destroy();
    });
  };

  async #serve(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): Promise<void> {
    const { clock, log } = this.#deps;
    const started = clock.monotonic();
    const context = new RestContext();
    context.userAgent = request.headers['user-agent'];
    let reply: Reply = { response, context, format: { encoding: 'json' }, pretty: false, gzip: false };
    const onGone = (): void => context.abort(new ApiError('Timeout', 'the client has gone'));
    // A response no longer knows of its connection's end when that was upgraded.
    upgrade?.socket.once('close', onGone);
    response.on('close', () => {
      if (!response.writableFinished) onGone();
      // A server that is closing answers what it has begun, and keeps no connection for more.
      if (this.#closing.aborted) request.socket.end();
    });
    response.on('error', (error) => log.debug({ err: messageOf(error) }, 'an answer could not be written'));
    const onClosing = (): void => context.abort(new ApiError('ServiceUnavailable', 'the server is shutting down'));
    let deadline: { cancel(): void } | undefined;
    let unfollow: (() => void) | undefined;
    let route: Route | undefined;
    let admitted: Admitted | undefined;
    this.clientErrors.begin(request, response);
    const { auditor } = this.#deps;
    const auditID = auditor?.idOf(request.headers['audit-id']) ?? '';
    if (auditor) response.setHeader('Audit-Id', auditID);
    let failure: unknown;
    let counted: ReturnType<RequestMetrics['begin']> | undefined;
    try {
      try {
        route = routeOf(request.url ?? '/', request.method ?? 'GET');
      } catch (error) {
        await this.#refuseUnserved(request, error);
        throw error;
      }
      counted = this.#metrics?.begin(request, route);
      reply = this.#replyTo(request, route, reply);
      if (upgrade) refuseBody(request);
      const who = this.#deps.authenticator.ofRequest(request);
      const { identity, impersonator, credential } = who instanceof Promise ? await who : who;
      context.identity = identity;
      context.impersonator = impersonator;
      if (auditor?.on) context.audit = await beginTrail(auditor, request, context, route, auditID);
      if (this.#deps.gate) {
        const entered = admitRequest(this.#deps.gate, context, request.method ?? 'GET', route);
        admitted = entered instanceof Promise ? await entered : entered;
      }
      if (route.type === 'path') return await this.#paths.serve(request, route, context.identity, reply);
      if (isLongRunning(route.resource, route.query)) {
        this.clientErrors.lasts(request);
        if (this.#closing.aborted) onClosing();
        this.#closing.addEventListener('abort', onClosing, { once: true });
        unfollow = this.#deps.live?.follow(credential, (error) => context.abort(error));
      } else {
        deadline = clock.timer(requestMs, () =>
          context.abort(new ApiError('Timeout', 'the request did not complete within its time')),
        );
      }
      await serveResource({
        api: this.#deps.api,
        clock,
        context,
        request,
        response,
        route: route.resource,
        query: route.query,
        reply,
        encodings: this.#encodings,
        upgrade,
      });
    } catch (error) {
      failure = error;
      const known = toApiError(error);
      // What breaks off because the client has gone is no failure of ours.
      if (known.reason === 'InternalError' && !response.destroyed) {
        log.error({ method: request.method, url: request.url, err: known.cause ?? known }, 'a request failed');
      }
      sendError(reply, error);
    } finally {
      this.clientErrors.end(request);
      if (auditor?.on) await this.#endTrail(auditor, request, response, context, route, auditID, failure);
      deadline?.cancel();
      unfollow?.();
      this.#closing.removeEventListener('abort', onClosing);
      const ended = counted ?? this.#metrics?.begin(request, route);
      ended?.(response.statusCode, clock.monotonic() - started);
      // What has not been taken stands in memory: so does its seat.
      if (response.writableLength > maxUntaken && !response.closed && !response.destroyed)
        this.#dropWhenUntaken(response, admitted);
      else admitted?.end();
      // What it had begun before it failed ends with it.
      if (failure !== undefined) context.abort(toApiError(failure));
    }
  }

  /** Also of a request that was refused before its trail could begin: a name or a token that is not good, a URL of nothing. */
  async #endTrail(
    auditor: Auditor,
    request: IncomingMessage,
    response: ServerResponse,
    context: RestContext,
    route: Route | undefined,
    auditID: string,
    failure: unknown,
  ): Promise<void> {
    try {
      if (failure !== undefined) context.audit ??= await beginTrail(auditor, request, context, route, auditID);
      if (failure && !context.signal.aborted) context.audit?.failed(toApiError(failure));
      context.audit?.complete(response.statusCode, failure !== undefined && !(failure instanceof ApiError));
    } catch (error) {
      this.#deps.log.error({ err: messageOf(error) }, 'a refused request could not be audited');
    }
  }

  /** A large answer is kept for a client that does not read it no longer than a request may last. */
  #dropWhenUntaken(response: ServerResponse, admitted: Admitted | undefined): void {
    const late = this.#deps.clock.timer(requestMs, () => response.destroy());
    response.once('close', () => {
      late.cancel();
      admitted?.end();
    });
  }

  /** What there is not, or can't be done, is no secret; but who may not ask is told that, as for what there is. */
  async #refuseUnserved(request: IncomingMessage, error: unknown): Promise<void> {
    if (!isApiError(error, 'NotFound', 'MethodNotAllowed')) return;
    const { identity } = await this.#deps.authenticator.ofRequest(request);
    const attributes = unservedAttributes(request.method ?? 'GET', request.url ?? '/');
    const decision = this.#deps.authorizer.authorize(identity, attributes);
    if (!decision.allowed) throw forbiddenError(identity, attributes, decision.reason);
  }

  #replyTo(request: IncomingMessage, route: Route, before: Reply): Reply {
    const { accept, 'accept-encoding': encodings = '', 'user-agent': agent } = request.headers;
    // Documents and discovery have media types of their own.
    const own = route.type === 'resource' && ['log', 'proxy'].includes(route.resource.subresource ?? '');
    const negotiated = route.type === 'resource' && !own;
    const format = negotiated ? formatFor(accept, hasTable(route.resource)) : before.format;
    return {
      ...before,
      format,
      pretty: format.pretty === true || isPretty(route.query, agent),
      gzip: encodings.includes('gzip'),
    };
  }
}

function listen(server: TlsServer, port: number, host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function close(server: TlsServer, closing: AbortController, clock: Clock): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  closing.abort();
  server.closeIdleConnections();
  const late = clock.timer(drainMs, () => server.closeAllConnections());
  await closed;
  late.cancel();
}
