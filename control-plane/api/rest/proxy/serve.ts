import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as tlsConnect } from 'node:tls';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import { ApiError, isApiError } from '../../../../shared/errors.ts';
import type { ProxyTarget, Target } from '../../api.ts';
import { badRequest } from '../../requests/refusals.ts';
import { plainAddress } from '../connections.ts';
import type { Call } from '../handlers/call.ts';
import { verbOf } from '../request-info/route.ts';
import { keepAliveMs } from '../streams/limits.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { rewriteLinks } from './html.ts';
import { type Place, throughProxy } from './links.ts';
import { escapedPath, forwardedUri, prefixOf } from './paths.ts';
import { TunnelSocket } from './tunnel-socket.ts';
import { dialFault, notDialled, passUpgrade } from './upgrade.ts';

/** The most bytes of an answer's head. */
const maxHead = 256 * 1024;

/**
 * Passes a request on to a pod, a service's pod or a node's agent, and its answer back, as Kubernetes' proxy subresources do
 * (apimachinery, `proxy.UpgradeAwareHandler`). A failure before the answer has begun is thrown.
 */
export async function serveProxy(call: Call, target: Target): Promise<void> {
  const { api, context, request, response, route, query } = call;
  const url = request.url ?? '/';
  if (query.has('dryRun')) throw badRequest('dryRun is not supported');
  const backend = await api.proxy(
    context,
    target,
    verbOf(request.method ?? 'GET', { type: 'resource', resource: route, query }),
  );
  // The connection may be silent for long: keep-alive probes notice a client that has vanished.
  request.socket.setKeepAlive(true, keepAliveMs);
  const { beyond = '' } = route;
  const prefix = prefixOf(route);
  const mark = url.indexOf('?');
  const search = mark < 0 ? '' : url.slice(mark);
  if (beyond === '' && !call.upgrade && (request.method === 'GET' || request.method === 'HEAD')) {
    // Relative links of a page need a path that ends with a slash.
    response.writeHead(301, { Location: `${prefix}/${search}`, 'Content-Length': 0 }).end();
    return;
  }
  const path = (escapedPath(beyond) || '/') + search;
  const from = plainAddress(request.socket.remoteAddress);
  if (call.upgrade) {
    const headers = requestHeaders(request.rawHeaders, { from }, true);
    const sent = await send(backend, { method: request.method, path, headers }, context.signal, true);
    sent.end();
    const { upgrade } = call;
    return passUpgrade({ ...call, upgrade }, sent, (answer) => passOn(call, answer, undefined)).finally(() =>
      sent.destroy(),
    );
  }
  const uri = forwardedUri(prefix, beyond);
  const headers = requestHeaders(request.rawHeaders, { from, uri }, false);
  const { 'content-length': length, 'transfer-encoding': pieces } = request.headers;
  // A method that usually has a body declares an empty one.
  if (length === undefined && pieces === undefined && ['POST', 'PUT', 'PATCH'].includes(request.method ?? '')) {
    headers['Content-Length'] = '0';
  }
  const sent = await send(backend, { method: request.method, path, headers }, context.signal);
  const page = { prefix, host: backend.host, clientHost: request.headers.host ?? '' };
  try {
    await passOn(call, await answerTo(sent, request), page);
  } finally {
    // In any case the backend's connection is closed.
    sent.destroy();
  }
}

/** Begins a request to the backend, on a connection of its own. */
async function send(
  backend: ProxyTarget,
  options: RequestOptions,
  signal: AbortSignal,
  upgrade = false,
): Promise<ClientRequest> {
  const socket = new TunnelSocket(
    await backend.connect().catch((error: unknown) => {
      throw upgrade ? notDialled(error) : unreachable(error);
    }),
  );
  // An error of the socket also fails the request, which reports it.
  socket.on('error', () => undefined);
  const wire: Duplex =
    backend.scheme === 'https'
      ? tlsConnect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      : socket;
  if (wire !== socket) socket.once('error', (error) => wire.destroy(error));
  const sent = httpRequest({
    ...options,
    createConnection: () => wire,
    setHost: false,
    maxHeaderSize: maxHead,
  });
  const gone = (): void => void sent.destroy(signal.reason as Error);
  if (signal.aborted) gone();
  else signal.addEventListener('abort', gone, { once: true });
  let kept = false;
  sent.once('upgrade', () => {
    kept = upgrade;
  });
  sent.once('close', () => {
    signal.removeEventListener('abort', gone);
    if (!kept) socket.destroy();
  });
  return sent;
}

/** Streams the body to the backend, and resolves with the answer, which may come before the body's end. */
function answerTo(sent: ClientRequest, request: IncomingMessage): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', (answer) => {
      answer.once('close', () => {
        // The backend does not read the rest of the body.
        request.unpipe(sent);
        request.resume();
      });
      resolve(answer);
    });
    sent.once('upgrade', () => sent.destroy(new Error('the backend switched protocols without a request to')));
    sent.on('error', (error) => {
      request.unpipe(sent);
      request.resume();
      reject(unreachable(error));
    });
    request.pipe(sent);
  });
}

/** Passes an answer on to the client. `page`: the page's URLs, to rewrite its links; absent: they stay as they are. */
async function passOn(call: Call, answer: IncomingMessage, page: Place | undefined): Promise<void> {
  const { response, context } = call;
  const status = answer.statusCode ?? 502;
  const headers = responseHeaders(answer.rawHeaders);
  const stages: Transform[] = [];
  const { location } = answer.headers;
  if (location !== undefined && page) {
    headers[nameOf(headers, 'location')] = throughProxy(location, page);
  } else if (page && isPage(answer)) {
    const link = rewriteLinks((text) => throughProxy(text, page));
    const coding = codings.get(answer.headers['content-encoding'] ?? '');
    if (coding) {
      stages.push(...coding(link));
      delete headers[nameOf(headers, 'content-length')];
    }
  }
  context.audit?.started(status);
  response.writeHead(status, headers);
  response.flushHeaders();
  if (call.request.method === 'HEAD' || status === 204 || status === 304) {
    answer.on('error', () => undefined).resume();
    response.end();
    return;
  }
  try {
    await pipeline([answer, ...stages, response], { end: false });
  } catch {
    // The answer has begun: only cutting the connection shows that it is incomplete.
    response.destroy();
    return;
  }
  if (Object.keys(answer.trailers).length > 0) response.addTrailers(trailersOf(answer));
  response.end();
}

/** The transforms around the rewriting of a page, by its content coding; a page with another coding stays as it is. */
const codings: ReadonlyMap<string, (link: Transform) => Transform[]> = new Map([
  ['', (link) => [link]],
  ['gzip', (link) => [createGunzip(), link, createGzip()]],
  ['deflate', (link) => [createInflate(), link, createDeflate()]],
]);

function isPage({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.split(';', 1)[0]?.trim() === 'text/html';
}

/** The name of a field with its original case. */
function nameOf(headers: object, name: string): string {
  return Object.keys(headers).find((one) => one.toLowerCase() === name) ?? name;
}

function trailersOf({ rawTrailers }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) pairs.push([rawTrailers[at] ?? '', rawTrailers[at + 1] ?? '']);
  return pairs;
}

/** Kubernetes' message, with Go's texts for Node's errors. */
function unreachable(error: unknown): ApiError {
  if (isApiError(error, 'TooManyRequests')) return error;
  const { code = '' } = error as { code?: string };
  const message = dialFault(error);
  let why = message;
  if (code === 'ECONNRESET') why = 'EOF';
  else if (/:wrong version number:/.test(message)) why = 'http: server gave HTTP response to HTTPS client';
  else if (code.startsWith('HPE_')) why = 'net/http: HTTP/1.x transport connection broken: malformed HTTP response';
  return new ApiError('ServiceUnavailable', `error trying to reach service: ${why}`);
}
