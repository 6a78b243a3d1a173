import { connect as connectTcp } from 'node:net';
import type { Clock } from '../../shared/clock.ts';
import type { Dialers } from './dialers.ts';
import type { HttpTarget } from './target.ts';

/** Bytes of an answer that are read. */
const maxBody = 10_240;
/** Statuses that ask for another GET elsewhere. */
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Go's client, and so Kubernetes, gives up after as many. */
const mostRequests = 10;
const healthCheck = '/grpc.health.v1.Health/Check';
/** Of grpc.health.v1.HealthCheckResponse.ServingStatus. */
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** Dials over the node's own network. HTTP and gRPC are loaded when they are first needed. */
export function systemDialers(deps: { clock: Clock }): Dialers {
  return {
    http: (target, timeoutMs, signal) =>
      within(deps.clock, timeoutMs, signal, `Get "${urlOf(target)}": context deadline exceeded`, (both) =>
        get(target, both),
      ),
    tcp: (host, port, timeoutMs, signal) =>
      within(deps.clock, timeoutMs, signal, `dial tcp ${host}:${port}: i/o timeout`, (both) => dial(host, port, both)),
    grpc: (host, port, service, timeoutMs, signal) =>
      within(
        deps.clock,
        timeoutMs,
        signal,
        `timeout: failed to connect service "${host}:${port}" within ${timeoutMs / 1000}s`,
        (both) => check(host, port, service, both),
      ),
  };
}

async function get(target: HttpTarget, signal: AbortSignal): Promise<{ status: number; body: string }> {
  let at = target;
  for (let requests = 1; ; requests++) {
    const { status, body, location } = await getOnce(at, signal);
    const next = redirects.has(status) && location ? redirected(at, location) : undefined;
    if (next?.host !== target.host) return { status, body };
    if (requests === mostRequests) throw new Error(`Get "${urlOf(next)}": stopped after ${mostRequests} redirects`);
    at = next;
  }
}

/** Where a redirect leads. A host header of the probe's own goes along only with a path of the same host. */
function redirected(from: HttpTarget, location: string): HttpTarget | undefined {
  if (!URL.canParse(location, urlOf(from))) return undefined;
  const url = new URL(location, urlOf(from));
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https') return undefined;
  const absolute = URL.canParse(location);
  return {
    scheme,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (scheme === 'https' ? 443 : 80),
    path: `${url.pathname}${url.search}`,
    headers: absolute ? from.headers.filter(({ name }) => name.toLowerCase() !== 'host') : from.headers,
  };
}

async function getOnce(
  target: HttpTarget,
  signal: AbortSignal,
): Promise<{ status: number; body: string; location: string | undefined }> {
  const { request } = await (target.scheme === 'https' ? import('node:https') : import('node:http'));
  const headers = Object.fromEntries(target.headers.map(({ name, value }) => [name, value]));
  const { host, port, path } = target;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Error(`Get "${urlOf(target)}": ${error.message}`));
    const options = { host, port, path, signal, agent: false, rejectUnauthorized: false };
    const call = request({
      ...options,
      headers: { 'user-agent': 'kube-probe/1.32', accept: '*/*', connection: 'close', ...headers },
    });
    call.on('error', fail);
    call.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const done = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
          location: response.headers.location,
        });
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk.subarray(0, maxBody - length));
        length += chunk.length;
        if (length < maxBody) return;
        done();
        response.destroy();
      });
      response.on('end', done);
      response.on('error', fail);
    });
    call.end();
  });
}

function dial(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, signal });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', (error) => reject(new Error(`dial tcp ${host}:${port}: ${error.message}`)));
  });
}

async function check(host: string, port: number, service: string, signal: AbortSignal): Promise<string> {
  const { Client, credentials } = await import('@grpc/grpc-js');
  const client = new Client(`${host}:${port}`, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        healthCheck,
        encodeRequest,
        decodeStatus,
        service,
        (error: Error | null, status?: string) => (error ? reject(error) : resolve(status ?? 'UNKNOWN')),
      );
      signal.addEventListener('abort', () => call.cancel(), { once: true });
    });
  } finally {
    client.close();
  }
}

/** HealthCheckRequest { string service = 1 }. Names of services are shorter than 128 bytes. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service).subarray(0, 127);
  return name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
}

/** HealthCheckResponse { ServingStatus status = 1 } */
function decodeStatus(bytes: Buffer): string {
  return (bytes[0] === 0x08 ? servingStatuses[bytes[1] ?? 0] : undefined) ?? 'UNKNOWN';
}

async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  late: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const timer = clock.timer(ms, () => own.abort());
  try {
    return await work(AbortSignal.any([signal, own.signal]));
  } catch (error) {
    throw own.signal.aborted ? new Error(late, { cause: error }) : error;
  } finally {
    timer.cancel();
  }
}

function urlOf({ scheme, host, port, path }: HttpTarget): string {
  return `${scheme}://${host}:${port}${path}`;
}
