import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { systemClock } from '../../shared/clock.ts';
import { isApiError } from '../../shared/errors.ts';
import { systemRandom } from '../../shared/random.ts';
import { createGrpcClient } from '../../shared/rpc/client.ts';
import { call } from './server-process.ts';

/**
 * Floods a server until it is killed, in a process of its own so that it takes no turn of the one that measures. Arguments: a port (REST) or an
 * address (gRPC), a JSON file with what to connect with, and how many requests at a time. Writes a line with how often it was answered with what, each second.
 */
const [target = '', file = '', parallel] = process.argv.slice(2);
const tls = JSON.parse(readFileSync(file, 'utf8')) as { ca: string; cert: string; key: string };
const namespace = 'flood';
const answers = new Map<number, number>();
const ask = target.includes(':') ? overGrpc() : overRest();

/** Resolves with the HTTP code of the answer, 0 for none. */
type Ask = (create: boolean, data: Record<string, string>) => Promise<number>;

function overRest(): Ask {
  const agent = new Agent({ keepAlive: true, ...tls });
  return async (create, data) => {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'flood-' }, data };
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const sent = call(agent, Number(target), create ? 'POST' : 'GET', path, create ? { body } : {});
    return (await sent.catch(() => ({ status: 0 }))).status;
  };
}

function overGrpc(): Ask {
  const credentials = { certificate: tls.cert, key: tls.key };
  const options = { address: target, tls: { ca: tls.ca, credentials } };
  const client = createGrpcClient(options, { clock: systemClock, random: systemRandom });
  return async (create, data) => {
    try {
      if (create) await client.create('ConfigMap', { metadata: { name: '', generateName: 'flood-', namespace }, data });
      // Of a few: to read them all would keep this process busy, not the server.
      else await client.list('ConfigMap', { namespace, limit: 20 });
      return create ? 201 : 200;
    } catch (error) {
      return isApiError(error, 'TooManyRequests') ? 429 : 0;
    }
  };
}

async function worker(id: number): Promise<void> {
  for (let i = 0; ; i++) {
    const status = await ask(id % 2 === 0, { i: String(i) });
    answers.set(status, (answers.get(status) ?? 0) + 1);
  }
}

setInterval(() => process.stdout.write(`${JSON.stringify(Object.fromEntries(answers))}\n`), 1_000);
await Promise.all(Array.from({ length: Number(parallel) }, (_, id) => worker(id)));
