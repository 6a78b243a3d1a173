import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../shared/clock.ts';
import type { KindLookup } from '../../../shared/kinds/registry.ts';
import type { Log } from '../../../shared/log.ts';
import type { ShownCredentials } from '../auth/authenticator.ts';
import type { Attributes } from '../auth/identity.ts';
import type { Auditor } from '../chain/audit/auditor.ts';
import type { FairGate } from '../chain/fairness/gate.ts';
import type { MeasuredRequest, RequestMetrics } from '../chain/metrics.ts';
import type { Outcome, WireRequest } from '../chain/request.ts';
import type { RequestInfo } from '../chain/request-info.ts';
import { type Connections, plainAddress } from './connections.ts';
import { formatFor, isPretty } from './encoding/negotiate.ts';
import { hasTable, isLongRunning, type Route, routeOf, verbOf } from './request-info/route.ts';
import { unservedAttributes } from './request-info/unserved.ts';
import { type Reply, sendError, toApiError } from './responses/respond.ts';
import { RestContext } from './rest-context.ts';
import { seatsOf } from './work-estimate.ts';

/** The deadline of a request that is not long-running, and then the time for its client to take the answer. */
const requestMs = 60_000;
/** An answer holds its seat until its client has taken all but so many bytes of it. */
const maxUndelivered = 64 * 1024;
/** The longest URL in the audit log. */
const maxUri = 4096;

export interface RestRequestDeps {
  readonly kinds: KindLookup;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly log: Log;
  readonly auditor: Auditor | undefined;
  readonly metrics: RequestMetrics | undefined;
}

/** An HTTP request as the chain sees it. */
export class RestRequest implements WireRequest, MeasuredRequest {
  readonly context: RestContext;
  readonly method: string;
  /** Undefined: the path or resource is not served, or not with this method. */
  readonly route: Route | undefined;
  /** Why it cannot be served: the handler throws it. */
  readonly fault: unknown;
  readonly info: RequestInfo;
  readonly longRunning: boolean;
  readonly timeoutMs: number;
  readonly reply: Reply;
  readonly #deps: RestRequestDeps;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(deps: RestRequestDeps, request: IncomingMessage, response: ServerResponse) {
    this.#deps = deps;
    this.#request = request;
    this.#response = response;
    const { auditor } = deps;
    const { method = 'GET', url = '/', headers } = request;
    const auditID = auditor?.idOf(headers['audit-id']);
    if (auditID) response.setHeader('Audit-Id', auditID);
    const ip = plainAddress(request.socket.remoteAddress);
    const source = auditor?.on ? { uri: url.slice(0, maxUri), ip, auditID } : undefined;
    this.context = new RestContext(headers['user-agent'], source);
    this.method = method;
    let reply: Reply = {
      response,
      context: this.context,
      format: { encoding: 'json' },
      pretty: false,
      gzip: false,
    };
    try {
      this.route = routeOf(url, method, deps.kinds);
      reply = replyTo(request, this.route, reply);
    } catch (error) {
      this.fault = error;
    }
    this.reply = reply;
    this.info = this.route ? infoOf(method, this.route) : unservedInfo(method, url);
    this.longRunning = this.route?.type === 'resource' && isLongRunning(this.route.resource, this.route.query);
    this.timeoutMs = this.longRunning ? Number.POSITIVE_INFINITY : requestMs;
    deps.metrics?.begin(this);
  }

  get resource(): RequestInfo | undefined {
    return this.route?.type === 'resource' ? this.info : undefined;
  }

  get applies(): boolean {
    return this.#request.headers['content-type']?.startsWith('application/apply-patch') ?? false;
  }

  get dryRun(): boolean {
    return this.route?.type === 'resource' && this.route.query.has('dryRun');
  }

  credentials(): ShownCredentials {
    return this.#deps.connections.shownBy(this.#request);
  }

  seats(gate: FairGate): number {
    return this.route ? seatsOf(gate, this.method, this.route) : 1;
  }

  abort(reason: unknown): void {
    this.context.abort(reason);
  }

  refuse(error: unknown): void {
    const known = toApiError(error);
    // A request that its client has abandoned is not a failure of the server.
    if (known.reason === 'InternalError' && !this.#response.destroyed) {
      const { method, url } = this.#request;
      this.#deps.log.error({ method, url, err: known.cause ?? known }, 'a request failed');
    }
    sendError(this.reply, error);
  }

  /** A client that does not take a large answer in time is disconnected. */
  delivered(): Promise<void> | undefined {
    const response = this.#response;
    if (response.writableLength <= maxUndelivered || response.closed || response.destroyed) return undefined;
    const late = this.#deps.clock.timer(requestMs, () => response.destroy());
    return new Promise((resolve) => {
      response.once('close', () => {
        late.cancel();
        resolve();
      });
    });
  }

  outcome(failure: unknown): Outcome {
    const code = this.#response.statusCode;
    return failure === undefined || this.context.signal.aborted ? { code } : { code, error: toApiError(failure) };
  }

  measured(ms: number): void {
    this.#deps.metrics?.end(this, this.#response.statusCode, ms);
  }
}

/** Throws NotAcceptable. */
function replyTo({ headers }: IncomingMessage, route: Route, before: Reply): Reply {
  const { accept, 'accept-encoding': encodings = '', 'user-agent': agent } = headers;
  // Documents and discovery have media types of their own, and so have logs and what is behind a proxy.
  const isObject = route.type === 'resource' && !['log', 'proxy'].includes(route.resource.subresource ?? '');
  const format = isObject ? formatFor(accept, hasTable(route.resource)) : before.format;
  return {
    ...before,
    format,
    pretty: format.pretty === true || isPretty(route.query, agent),
    gzip: encodings.includes('gzip'),
  };
}

/** From the decoded route: an escaped URL could evade the rules of an audit policy. */
function infoOf(method: string, route: Route): RequestInfo {
  const verb = verbOf(method, route);
  if (route.type === 'path') return { verb, path: route.path };
  const { def, namespace, name, subresource } = route.resource;
  return { verb, group: def.group, version: def.version, resource: def.plural, namespace, name, subresource };
}

function unservedInfo(method: string, url: string): RequestInfo {
  const attributes: Attributes = unservedAttributes(method, url);
  const { path, verb } = attributes;
  return path === undefined ? attributes : { verb, path };
}
