import type { Server } from 'node:http';
import type { Registry } from 'prom-client';
import { splitAddress } from '../shared/address.ts';
import { messageOf } from '../shared/errors.ts';
import type { Log } from '../shared/log.ts';
import type { Agent, AgentStats } from './agent.ts';

/** Everything that there is to tell of an agent, or only what its machine and its pods use. */
export async function metricsOf(agent: Pick<Agent, 'stats' | 'usage'>, which: 'all' | 'usage'): Promise<Registry> {
  const [{ collectDefaultMetrics, Gauge, Registry }, { usageMetrics }] = await Promise.all([
    import('prom-client'),
    import('./usage/metrics.ts'),
  ]);
  const registry = new Registry();
  usageMetrics(registry, () => agent.usage);
  if (which === 'usage') return registry;
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, value: (stats: AgentStats) => number): void => {
    new Gauge({
      name: `coracle_agent_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(value(agent.stats));
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
 * Serves the agent's metrics for Prometheus at `/metrics` until aborted. `listen`: `HOST:PORT` on the loopback, since they go
 * without TLS. Throws when it cannot listen.
 */
export async function serveMetrics(
  listen: string,
  agent: Pick<Agent, 'metrics'>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const { createServer } = await import('node:http');
  const registry = await agent.metrics('all');
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
    throw new Error(`invalid metrics address "${listen}": they are served without TLS, only on the loopback`);
  }
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
}
