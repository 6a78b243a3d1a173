import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { splitAddress } from '../shared/address.ts';
import { messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { Sample } from './usage/report.ts';

/** `usage`: only what the machine and the pods use. */
export type MetricsScope = 'all' | 'usage';

export interface AgentStats {
  readonly pods: number;
  readonly connected: boolean;
  readonly sessions: number;
  readonly unacknowledgedStatuses: number;
  readonly droppedEvents: number;
  readonly engineUp: boolean;
  readonly ready: boolean;
}

/** What the metrics are read from at each scrape. */
export interface MetricsSource {
  readonly stats: AgentStats;
  /** What the pods and the machine had used at the last measurement. */
  readonly usage: Sample | undefined;
}

/** The agent's registries: each is made, and the Prometheus client loaded, when it is first asked for. */
export function metricsRegistries(source: MetricsSource): (scope: MetricsScope) => Promise<Registry> {
  const registries = new Map<MetricsScope, Promise<Registry>>();
  return (scope) => {
    const registry = registries.get(scope) ?? createRegistry(source, scope);
    registries.set(scope, registry);
    return registry;
  };
}

async function createRegistry(source: MetricsSource, scope: MetricsScope): Promise<Registry> {
  const [{ collectDefaultMetrics, Gauge, Registry }, { usageMetrics }] = await Promise.all([
    import('prom-client'),
    import('./usage/metrics.ts'),
  ]);
  const registry = new Registry();
  usageMetrics(registry, () => source.usage);
  if (scope === 'usage') return registry;
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, value: (stats: AgentStats) => number): void => {
    new Gauge({
      name: `coracle_agent_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value(source.stats));
      },
    });
  };
  gauge('pods', 'Pods on the node.', ({ pods }) => pods);
  gauge('connected', '1 while there is a session with the control plane.', ({ connected }) => Number(connected));
  gauge('sessions', 'Sessions begun since the start.', ({ sessions }) => sessions);
  gauge(
    'unacknowledged_statuses',
    'Status reports not yet stored.',
    ({ unacknowledgedStatuses }) => unacknowledgedStatuses,
  );
  gauge('dropped_events', 'Events dropped since the start.', ({ droppedEvents }) => droppedEvents);
  gauge('engine_up', '1 while the container engine answers.', ({ engineUp }) => Number(engineUp));
  gauge('ready', '1 while the node is ready.', ({ ready }) => Number(ready));
  return registry;
}

/**
 * Serves a registry for Prometheus at `/metrics` until aborted. `listen`: `HOST:PORT` on the loopback, as there is no TLS. Throws
 * when it cannot listen.
 */
export async function serveMetrics(listen: string, registry: Registry, log: Log, signal: AbortSignal): Promise<void> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => {
        log.warn({ component: 'metrics', err: messageOf(error) }, 'metrics not collected');
        response.writeHead(500).end();
      },
    );
  });
  await listening(server, listen);
  signal.addEventListener('abort', () => server.close(), { once: true });
}

function listening(server: Server, listen: string): Promise<void> {
  const { host, port } = splitAddress(listen);
  if (!['127.0.0.1', '::1', 'localhost'].includes(host)) {
    throw new Error(`invalid metrics address "${listen}": metrics are served without TLS, only on the loopback`);
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
}
