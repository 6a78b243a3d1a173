import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Duplex, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as tlsConnect } from 'node:tls';
import { createDeflate, createGunzip, createGzip, createInflate } from 'node:zlib';
import { ApiError, isApiError, messageOf } from '../../../../shared/errors.ts';
import type { ProxyTarget, Target } from '../../api.ts';
import { badRequest } from '../../requests/refusals.ts';
import type { Call } from '../handlers/call.ts';
import { verbOf } from '../request-info/route.ts';
import { keepAliveMs } from '../streams/limits.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { rewriteLinks } from './html.ts';
import { type Place, throughProxy } from './links.ts';
import { escapedPath, forwardedUri, prefixOf } from './paths.ts';
import { TunnelSocket } from './tunnel-socket.ts';
import { notDialled, passUpgrade } from './upgrade.ts';

/** The most bytes of an answer's head. */
const maxHead = 256 * 1024;

/**
 * Passes a request on to a pod, a service's pod or a node's agent, and its answer back, as Kubernetes' `pods/proxy` and its kin do
 * (apimachinery, `proxy.UpgradeAwareHandler`). Whatever is wrong before the answer has begun is thrown.
 */
export async function serveProxy(call: Call, target: Target): Promise<void> {
  const { api, context, request, response, route, query } = call;
  const url = request.url ?? '/';
  if (query.has('dryRun')) throw badRequest('dryRun is not supported');
  const peer = await api.proxy(
    context,
    target,
    verbOf(request.method ?? 'GET', { type: 'resource', resource: route, query }),
  );
  // Nothing may travel for long, in which a client could go without a word.
  request.socket.setKeepAlive(true, keepAliveMs);
  const { beyond = '' } = route;
  const prefix = prefixOf(route);
  const mark = url.indexOf('?');
  const search = mark < 0 ? '' : url.slice(mark);
  if (beyond === '' && !call.upgrade && (request.method === 'GET' || request.method === 'HEAD')) {
    // Links of a page are relative to a folder.
    response.writeHead(301, { Location: `${prefix}/${search}`, 'Content-Length': 0 }).end();
    return;
  }
  const path = (escapedPath(beyond) || '/') + search;
  const from = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  if (call.upgrade) {
    const headers = requestHeaders(request.rawHeaders, { from }, true);
    const sent = await send(peer, { method: request.method, path, headers }, context.signal, true);
    sent.end();
    const { upgrade } = call;
    return passUpgrade({ ...call, upgrade }, sent, (answer) => passOn(call, answer, undefined)).finally(() =>
      sent.destroy(),
    );
  }
  const uri = forwardedUri(prefix, beyond);
  const headers = requestHeaders(request.rawHeaders, { from, uri }, false);
  const { 'content-length': length, 'transfer-encoding': pieces } = request.headers;
  // Without either there is no body: a method that usually has one says so.
  if (length === undefined && pieces === undefined && ['POST', 'PUT', 'PATCH'].includes(request.method ?? '')) {
    headers['Content-Length'] = '0';
  }
  const sent = await send(peer, { method: request.method, path, headers }, context.signal);
  const place = { prefix, host: peer.host, clientHost: request.headers.host ?? '' };
  try {
    await passOn(call, await answerTo(sent, request), place);
  } finally {
    // Whatever came of it, nothing of it stays open.
    sent.destroy();
  }
}

/** Begins a request behind the proxy, on a connection of its own. */
async function send(
  peer: ProxyTarget,
  options: RequestOptions,
  signal: AbortSignal,
  upgrade = false,
): Promise<ClientRequest> {
  const socket = new TunnelSocket(
    await peer.connect().catch((error: unknown) => {
      throw upgrade ? notDialled(error) : unreachable(error);
    }),
  );
  // It ends with the request, which tells of what was wrong.
  socket.on('error', () => undefined);
  const wire: Duplex =
    peer.scheme === 'https' ? tlsConnect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }) : socket;
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

/** Sends the body on as it comes, and resolves with the answer, which may come before the body's end. */
function answerTo(sent: ClientRequest, request: IncomingMessage): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', (answer) => {
      answer.once('close', () => {
        // Nobody reads the rest of it.
        request.unpipe(sent);
        request.resume();
      });
      resolve(answer);
    });
    sent.once('upgrade', () => sent.destroy(new Error('nobody asked for another protocol')));
    sent.on('error', (error) => {
      request.unpipe(sent);
      request.resume();
      reject(unreachable(error));
    });
    request.pipe(sent);
  });
}

/** Hands an answer to the client. `place`: where its links lead from; absent: they stay as they are. */
async function passOn(call: Call, answer: IncomingMessage, place: Place | undefined): Promise<void> {
  const { response, context } = call;
  const status = answer.statusCode ?? 502;
  const headers = responseHeaders(answer.rawHeaders);
  const stages: Transform[] = [];
  const { location } = answer.headers;
  if (location !== undefined && place) {
    headers[nameOf(headers, 'location')] = throughProxy(location, place);
  } else if (place && isPage(answer)) {
    const link = rewriteLinks((text) => throughProxy(text, place));
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
    // It has begun: all that can still be said is that it is not whole.
    response.destroy();
    return;
  }
  if (Object.keys(answer.trailers).length > 0) response.addTrailers(trailersOf(answer));
  response.end();
}

/** How a page's body is read and written again, by its coding; absent: it is not understood, and stays as it is. */
const codings: ReadonlyMap<string, (link: Transform) => Transform[]> = new Map([
  ['', (link) => [link]],
  ['gzip', (link) => [createGunzip(), link, createGzip()]],
  ['deflate', (link) => [createInflate(), link, createDeflate()]],
]);

function isPage({ headers }: IncomingMessage): boolean {
  return headers['content-type']?.split(';', 1)[0]?.trim() === 'text/html';
}

/** The name of a field in the case in which it came. */
function nameOf(headers: object, name: string): string {
  return Object.keys(headers).find((one) => one.toLowerCase() === name) ?? name;
}

function trailersOf({ rawTrailers }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) pairs.push([rawTrailers[at] ?? '', rawTrailers[at + 1] ?? '']);
  return pairs;
}

/** Kubernetes' sentence, with Go's words for what Node calls otherwise. */
function unreachable(error: unknown): ApiError {
  if (isApiError(error, 'TooManyRequests')) return error;
  const { code = '' } = error as { code?: string };
  const message = messageOf(error).replace(/^error dialing backend: /, '');
  let why = message;
  if (code === 'ECONNRESET') why = 'EOF';
  else if (/:wrong version number:/.test(message)) why = 'http: server gave HTTP response to HTTPS client';
  else if (code.startsWith('HPE_')) why = 'net/http: HTTP/1.x transport connection broken: malformed HTTP response';
  return new ApiError('ServiceUnavailable', `error trying to reach service: ${why}`);
}
