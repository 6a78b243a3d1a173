import type { IncomingMessage } from 'node:http';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Route } from './route.ts';
import { isStream } from './streams/connect.ts';

/** What the server tells of its requests, under Kubernetes' names. */
export class RequestMetrics {
  readonly #requests: Counter<'verb' | 'resource' | 'code'>;
  readonly #seconds: Histogram<'verb' | 'resource'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'apiserver_request_total',
      help: 'Requests, by verb, resource and HTTP code.',
      labelNames: ['verb', 'resource', 'code'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'apiserver_request_duration_seconds',
      help: 'How long requests took; watches, logs and streams are left out.',
      labelNames: ['verb', 'resource'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers,
    });
  }

  /** `ms`: how long it took, in milliseconds. */
  count(request: IncomingMessage, route: Route | undefined, code: number, ms: number): void {
    const method = methods.includes(request.method ?? '') ? (request.method as string) : 'other';
    const known = route?.type === 'resource' ? route : undefined;
    const watch = known !== undefined && known.query.size > 0 && known.query.has('watch');
    const { def, subresource } = known?.resource ?? {};
    const verb = watch ? 'WATCH' : isStream(subresource) ? 'CONNECT' : method;
    const resource = def ? (subresource ? `${def.plural}/${subresource}` : def.plural) : '';
    this.#requests.inc({ verb, resource, code });
    if (!watch && subresource !== 'log' && !isStream(subresource)) this.#seconds.observe({ verb, resource }, ms / 1000);
  }
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'];
