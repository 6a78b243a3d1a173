import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { RequestInfo } from './request-info.ts';

const labelNames = [
  'verb',
  'group',
  'version',
  'resource',
  'subresource',
  'scope',
  'component',
  'dry_run',
  'code',
] as const;
type Label = (typeof labelNames)[number];

/** Seconds: Kubernetes' buckets, which rules and dashboards name, and a shorter one. */
const buckets = [
  0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

/** The properties of a request that become labels. */
export interface MeasuredRequest {
  /** The HTTP method. */
  readonly method: string;
  /** Undefined for a non-resource path, and for a resource that is not served. */
  readonly resource: RequestInfo | undefined;
  readonly longRunning: boolean;
  /** A server-side apply. */
  readonly applies: boolean;
  readonly dryRun: boolean;
}

/** The metrics of requests, under Kubernetes' names. */
export class RequestMetrics {
  readonly #requests: Counter<Label>;
  readonly #seconds: Histogram<Exclude<Label, 'code'>>;
  readonly #inflight = { readOnly: 0, mutating: 0, longRunning: 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    const inflight = this.#inflight;
    this.#requests = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests, by verb, resource and HTTP code.',
      labelNames,
      registers,
    });
    this.#seconds = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'How long requests took; watches, logs and streams are left out.',
      labelNames: labelNames.filter((name) => name !== 'code'),
      buckets,
      registers,
    });
    new Gauge({
      name: 'apiserver_current_inflight_requests',
      help: 'Requests that are under way, by whether they may change something.',
      labelNames: ['request_kind'],
      registers,
      collect() {
        this.set({ request_kind: 'readOnly' }, inflight.readOnly);
        this.set({ request_kind: 'mutating' }, inflight.mutating);
      },
    });
    new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches, logs and streams that are under way.',
      labelNames: ['component'],
      registers,
      collect() {
        this.set({ component }, inflight.longRunning);
      },
    });
  }

  /** A request has arrived; `end` must be called when it has been answered. */
  begin(request: MeasuredRequest): void {
    this.#inflight[kindOf(request)]++;
  }

  /** `ms`: since its arrival, in milliseconds. */
  end(request: MeasuredRequest, code: number, ms: number): void {
    this.#inflight[kindOf(request)]--;
    const labels = labelsOf(request);
    this.#requests.inc({ ...labels, code });
    if (!request.longRunning) this.#seconds.observe(labels, ms / 1000);
  }
}

const component = 'apiserver';
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];

function kindOf({ longRunning, method }: MeasuredRequest): 'readOnly' | 'mutating' | 'longRunning' {
  if (longRunning) return 'longRunning';
  return method === 'GET' || method === 'HEAD' ? 'readOnly' : 'mutating';
}

function labelsOf({ method: sent, resource: info, applies, dryRun }: MeasuredRequest) {
  const method = methods.includes(sent) ? sent : 'other';
  return {
    verb: info ? verbOf(method, info, applies) : method,
    group: info?.group ?? '',
    version: info?.version ?? '',
    resource: info?.resource ?? '',
    subresource: info?.subresource ?? '',
    scope: info ? scopeOf(info) : '',
    component,
    dry_run: dryRun ? 'All' : '',
  };
}

function scopeOf({ name, namespace }: RequestInfo): 'resource' | 'namespace' | 'cluster' {
  if (name !== undefined) return 'resource';
  return namespace === undefined ? 'cluster' : 'namespace';
}

/** Subresources whose requests Kubernetes counts as CONNECT. */
const connects: ReadonlySet<string | undefined> = new Set(['exec', 'attach', 'portforward', 'log', 'proxy']);
const collectionVerbs: ReadonlySet<string> = new Set(['list', 'watch', 'deletecollection']);

/** Kubernetes' label: more precise than the method. */
function verbOf(method: string, { verb, subresource }: RequestInfo, applies: boolean): string {
  if (connects.has(subresource)) return 'CONNECT';
  if (method === 'PATCH' && applies) return 'APPLY';
  return collectionVerbs.has(verb) ? verb.toUpperCase() : method;
}
