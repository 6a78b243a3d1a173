import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Registry } from 'prom-client';
import type { Clock } from '../../shared/clock.ts';
import { ApiError, messageOf, reasons } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import type { Log } from '../../shared/log.ts';
import type { LogStreamParameters, UsageReport } from '../../shared/session.ts';
import type { MetricsScope } from '../metrics.ts';
import { containerNamed } from '../pod/containers.ts';
import { type LogDeps, logChunks } from '../streams/logs.ts';
import type { Serve } from '../streams/tunnel.ts';
import { success } from '../streams/tunnel.ts';
import { tunnelDuplex } from '../streams/tunnel-duplex.ts';
import type { Sample } from '../usage/report.ts';
import { summaryOf } from './summary.ts';

export interface KubeletDeps {
  readonly nodeName: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  readonly logs: LogDeps;
  /** The pods of the node, each with its status. */
  pods(): readonly Pod[];
  usage(): { readonly sample: Sample | undefined; readonly report: UsageReport | undefined };
  /** The volumes of a pod, as `/stats/summary` shows them. */
  volumesOf(uid: string): readonly object[];
  metrics(scope: MetricsScope): Promise<Registry>;
}

/**
 * The part of the kubelet's HTTP API that clients use through `nodes/NAME/proxy`: health, pods, usage, metrics, logs. It has no listener:
 * a connection is a tunnel, for which the API server has authorized its client.
 */
export class Kubelet {
  readonly #deps: KubeletDeps;
  #server: Server | undefined;

  constructor(deps: KubeletDeps) {
    this.#deps = deps;
  }

  /** Serves one connection until it is over. */
  readonly serve: Serve = async (tunnel) => {
    const connection = tunnelDuplex(tunnel);
    const closed = new Promise<void>((resolve) => connection.once('close', () => resolve()));
    // An error closes the connection, which ends the tunnel.
    connection.on('error', () => undefined);
    this.#server ??= createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => this.#fail(response, error));
    });
    this.#server.emit('connection', connection);
    await closed;
    return success;
  };

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://node');
    const parts = url.pathname.split('/').filter((part) => part !== '');
    const serve = routes.get(parts[0] ?? '');
    if (!serve) throw new ApiError('NotFound', '404 page not found');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new ApiError('MethodNotAllowed', '405: Method Not Allowed');
    }
    await serve(this.#deps, response, parts.slice(1).map(decodeURIComponent), url.searchParams);
  }

  /** As the kubelet answers: a status code and a line of text. */
  #fail(response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const code = error instanceof ApiError ? reasons[error.reason].http : 500;
    if (code === 500) this.#deps.log.warn({ component: 'kubelet', err: messageOf(error) }, 'a request failed');
    send(response, 'text/plain; charset=utf-8', `${messageOf(error)}\n`, code);
  }
}

type Route = (
  deps: KubeletDeps,
  response: ServerResponse,
  path: readonly string[],
  query: URLSearchParams,
) => void | Promise<void>;

const served: Readonly<Record<string, Route>> = {
  healthz: (_deps, response, [check]) => {
    if (check !== undefined && check !== 'ping') throw notFound();
    send(response, 'text/plain; charset=utf-8', 'ok');
  },
  pods: (deps, response, path) => {
    if (path.length > 0) throw notFound();
    // Only the list has a kind, its items do not.
    const items = deps.pods().map(({ kind: _kind, apiVersion: _version, ...pod }) => pod);
    sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
  },
  stats: (deps, response, path) => {
    if (path.join('/') !== 'summary') throw notFound();
    const { sample, report } = deps.usage();
    sendJson(
      response,
      summaryOf(deps.nodeName, sample, report, (uid) => deps.volumesOf(uid)),
    );
  },
  metrics: async (deps, response, [which]) => {
    if (which !== undefined && which !== 'resource') throw notFound();
    const registry = await deps.metrics(which === undefined ? 'all' : 'usage');
    send(response, registry.contentType, await registry.metrics());
  },
  containerLogs: async (deps, response, [namespace = '', name = '', container = '', ...more], query) => {
    if (container === '' || more.length > 0) throw notFound();
    const pod = deps.pods().find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
    if (!pod) throw new ApiError('NotFound', `pod "${name}" does not exist`);
    if (!containerNamed(pod, container)) {
      throw new ApiError('NotFound', `container "${container}" not found in pod "${name}"`);
    }
    const of = { namespace, pod: name, uid: pod.metadata.uid, container };
    const gone = new AbortController();
    response.once('close', () => gone.abort(new Error('the client has closed the connection')));
    const chunks = await logChunks(deps.logs, { ...of, ...logOptions(query, deps.clock.now()) }, gone.signal);
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.flushHeaders();
    await pipeline(chunks, response);
  },
};

const routes: ReadonlyMap<string, Route> = new Map(Object.entries(served));

type LogOptions = Omit<LogStreamParameters, 'namespace' | 'pod' | 'uid' | 'container'>;

/** Throws Invalid for a count that is not a number. */
function logOptions(query: URLSearchParams, now: number): LogOptions {
  const flag = (name: string): boolean => ['true', '1', ''].includes(query.get(name) ?? 'false');
  const count = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw new ApiError('Invalid', '{"message": "Invalid request."}');
    return Number(text);
  };
  const seconds = count('sinceSeconds');
  const time = query.get('sinceTime');
  const since = seconds === undefined ? (time === null ? undefined : Date.parse(time)) : now - seconds * 1000;
  if (Number.isNaN(since)) throw new ApiError('BadRequest', '{"message": "Unable to decode query."}');
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    since,
    tail: count('tailLines'),
    limitBytes: count('limitBytes'),
  };
}

function notFound(): ApiError {
  return new ApiError('NotFound', '404 page not found');
}

function sendJson(response: ServerResponse, object: object): void {
  send(response, 'application/json', JSON.stringify(object));
}

function send(response: ServerResponse, type: string, body: string, code = 200): void {
  response.writeHead(code, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
