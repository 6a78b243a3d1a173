import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type ServerOptions, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError, isApiError, messageOf } from '../../../shared/errors.ts';
import type { Log } from '../../../shared/log.ts';
import type { Api } from '../api.ts';
import { forbiddenError } from '../auth/authorizer.ts';
import type { Chain } from '../chain/chain.ts';
import { RequestMetrics } from '../chain/metrics.ts';
import { ClientErrors } from './client-errors.ts';
import { Connections } from './connections.ts';
import { RecentEncodings } from './encoding/recent-encodings.ts';
import { Paths, type PathsDeps } from './handlers/non-resource.ts';
import { serveResource } from './handlers/resource.ts';
import { RestRequest, type RestRequestDeps } from './request.ts';
import type { Upgrade } from './streams/connect.ts';
import { refuseBody, takeOver } from './streams/take-over.ts';

/** How long a request may take to arrive, unless it is long-running. */
const requestMs = 60_000;
/** The most header bytes of a request; the most connections at a time. */
const maxHeaderBytes = 32 * 1024;
const maxConnections = 10_000;
/** How long the head of a request may take to arrive; how long an idle connection is kept. */
const headersMs = 10_000;
const idleMs = 120_000;
/** How long requests under way may take when the server closes. */
const drainMs = 5_000;

export interface TlsMaterial {
  /** PEM: the server's certificate with its chain, its key, and the CA that signs clients. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface RestServerDeps extends PathsDeps {
  readonly api: Api;
  readonly chain: Chain;
  readonly clock: Clock;
  readonly log: Log;
  readonly tls: TlsMaterial;
  /** How long a request may take to arrive, unless it is long-running, in milliseconds; absent: a minute. */
  readonly requestMs?: number;
}

export interface RestServer {
  /** Port 0: any free one. Resolves with the port. */
  listen(port: number, host?: string): Promise<number>;
  /** Used for new connections. */
  setCertificate(tls: TlsMaterial): void;
  /** Accepts no more connections, ends long-running requests, and waits a while for the others. */
  close(): Promise<void>;
}

/** Kubernetes' REST API over HTTPS, derived from the kind table. */
export function createRestServer(deps: RestServerDeps): RestServer {
  const closing = new AbortController();
  const handler = new Handler(deps, closing.signal);
  const within = deps.requestMs ?? requestMs;
  const server = createServer(serverOptions(deps.tls, within), handler.listener);
  // Before the listener that reads requests from the connection.
  server.prependListener('secureConnection', (socket) => handler.connections.connected(socket));
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
    // A connection without a certificate is anonymous, not refused: health and version are public.
    requestCert: true,
    rejectUnauthorized: false,
    // TLS 1.3 has no renegotiation: the certificate of a connection stays the one that the handshake verified.
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
    maxHeaderSize: maxHeaderBytes,
    noDelay: true,
    connectionsCheckingInterval: within / 2,
  };
}

/** Serves requests one by one; keeps nothing of any of them. */
class Handler {
  readonly #deps: RestServerDeps;
  readonly #requests: RestRequestDeps;
  readonly #closing: AbortSignal;
  readonly #paths: Paths;
  readonly #encodings = new RecentEncodings();
  readonly clientErrors = new ClientErrors();
  readonly connections = new Connections();

  constructor(deps: RestServerDeps, closing: AbortSignal) {
    this.#deps = deps;
    this.#closing = closing;
    this.#paths = new Paths(deps);
    const { kinds, clock, log, chain, registry } = deps;
    const metrics = registry && new RequestMetrics(registry);
    this.#requests = { kinds, connections: this.connections, clock, log, auditor: chain.auditor, metrics };
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
    const rest = new RestRequest(this.#requests, request, response);
    const onGone = (): void => rest.abort(new ApiError('Timeout', 'the client has gone'));
    // The response of an upgraded connection does not notice its end.
    upgrade?.socket.once('close', onGone);
    response.on('close', () => {
      if (!response.writableFinished) onGone();
      // A server that is closing answers the requests under way, then closes their connections.
      if (this.#closing.aborted) request.socket.end();
    });
    response.on('error', (error) => {
      this.#deps.log.debug({ err: messageOf(error) }, 'an answer could not be written');
    });
    this.clientErrors.begin(request, response);
    try {
      await this.#deps.chain.serve(rest, () => this.#handle(rest, request, response, upgrade));
    } finally {
      this.clientErrors.end(request, response);
    }
  }

  /** Handles a request that has passed the chain. */
  async #handle(
    rest: RestRequest,
    request: IncomingMessage,
    response: ServerResponse,
    upgrade?: Upgrade,
  ): Promise<void> {
    const { api, clock } = this.#deps;
    const { context, route, reply, fault } = rest;
    if (!route) this.#authorizeUnserved(rest);
    if (!route || fault !== undefined) throw fault;
    if (upgrade) refuseBody(request);
    if (route.type === 'path') return this.#paths.serve(request, route, context.identity, reply);
    const onClosing = (): void => rest.abort(new ApiError('ServiceUnavailable', 'the server is shutting down'));
    if (rest.longRunning) {
      this.clientErrors.longRunning(request);
      if (this.#closing.aborted) onClosing();
      this.#closing.addEventListener('abort', onClosing, { once: true });
    }
    try {
      await serveResource({
        api,
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
    } finally {
      if (rest.longRunning) this.#closing.removeEventListener('abort', onClosing);
    }
  }

  /** Only a user who would be allowed to use a resource learns that it is not served. Throws Forbidden for others. */
  #authorizeUnserved({ context: { identity }, info, fault }: RestRequest): void {
    if (!isApiError(fault, 'NotFound', 'MethodNotAllowed')) return;
    const attributes = { group: '', resource: '', ...info };
    const decision = this.#deps.authorizer.authorize(identity, attributes);
    if (!decision.allowed) throw forbiddenError(identity, attributes, decision.reason);
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
