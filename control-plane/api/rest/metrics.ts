import type { IncomingMessage } from 'node:http';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { flag } from './request-info/parameters.ts';
import { isLongRunning, isStream, type ResourceRoute, type Route } from './request-info/route.ts';

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

/** Kubernetes' own (seconds), since rules and dashboards ask for some of them by name, and a shorter one. */
const buckets = [
  0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

/** What the server tells of its requests, under Kubernetes' names. */
export class RequestMetrics {
  readonly #requests: Counter<Label>;
  readonly #seconds: Histogram<Exclude<Label, 'code'>>;
  /** Requests that are under way now. */
  readonly #now = { readOnly: 0, mutating: 0, long: 0 };

  constructor(registry: Registry) {
    const registers = [registry];
    const now = this.#now;
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
        this.set({ request_kind: 'readOnly' }, now.readOnly);
        this.set({ request_kind: 'mutating' }, now.mutating);
      },
    });
    new Gauge({
      name: 'apiserver_longrunning_requests',
      help: 'Watches, logs and streams that are under way.',
      labelNames: ['component'],
      registers,
      collect() {
        this.set({ component }, now.long);
      },
    });
  }

  /** A request has come; what is returned is called when it has been answered. `ms`: how long that took, in milliseconds. */
  begin(request: IncomingMessage, route: Route | undefined): (code: number, ms: number) => void {
    const known = route?.type === 'resource' ? route : undefined;
    const long = known !== undefined && isLongRunning(known.resource, known.query);
    const kind = long ? 'long' : request.method === 'GET' || request.method === 'HEAD' ? 'readOnly' : 'mutating';
    this.#now[kind]++;
    return (code, ms) => {
      this.#now[kind]--;
      const labels = labelsOf(request, known?.resource, known?.query);
      this.#requests.inc({ ...labels, code });
      if (!long) this.#seconds.observe(labels, ms / 1000);
    };
  }
}

const component = 'apiserver';
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];

function labelsOf(request: IncomingMessage, resource: ResourceRoute | undefined, query: URLSearchParams | undefined) {
  const method = methods.includes(request.method ?? '') ? (request.method as string) : 'other';
  const dryRun = query !== undefined && query.size > 0 && query.has('dryRun') ? 'All' : '';
  if (!resource) {
    return {
      verb: method,
      group: '',
      version: '',
      resource: '',
      subresource: '',
      scope: '',
      component,
      dry_run: dryRun,
    };
  }
  const { def, name, namespace, subresource = '' } = resource;
  return {
    verb: verbOf(method, request, resource, query),
    group: def.group,
    version: def.version,
    resource: def.plural,
    subresource,
    scope: name !== undefined ? 'resource' : namespace !== undefined ? 'namespace' : 'cluster',
    component,
    dry_run: dryRun,
  };
}

/** As Kubernetes counts: what is done, and not only by which method. */
function verbOf(
  method: string,
  request: IncomingMessage,
  { name, subresource }: ResourceRoute,
  query: URLSearchParams | undefined,
): string {
  if (isStream(subresource) || subresource === 'log' || subresource === 'proxy') return 'CONNECT';
  if (method === 'PATCH' && request.headers['content-type']?.startsWith('application/apply-patch')) return 'APPLY';
  if (name !== undefined) return method;
  if (method === 'DELETE') return 'DELETECOLLECTION';
  if (method !== 'GET' && method !== 'HEAD') return method;
  return query !== undefined && query.size > 0 && flag(query, 'watch') ? 'WATCH' : 'LIST';
}
