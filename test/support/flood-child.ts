import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { call } from './server-process.ts';

/**
 * Floods a server until it is killed, in a process of its own so that it takes no turn of the one that measures. Arguments: port, a JSON file with
 * what to connect with, and how many requests at a time. Writes a line with how often it was answered with what, each second.
 */
const [port, file = '', parallel] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, ...JSON.parse(readFileSync(file, 'utf8')) });
const answers = new Map<number, number>();

async function worker(id: number): Promise<void> {
  for (let i = 0; ; i++) {
    const create = id % 2 === 0;
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'flood-' }, data: { i: String(i) } };
    const path = `/api/v1/namespaces/flood/configmaps`;
    const { status } = await call(agent, Number(port), create ? 'POST' : 'GET', path, create ? { body } : {}).catch(
      () => ({ status: 0 }),
    );
    answers.set(status, (answers.get(status) ?? 0) + 1);
  }
}

setInterval(() => process.stdout.write(`${JSON.stringify(Object.fromEntries(answers))}\n`), 1_000);
await Promise.all(Array.from({ length: Number(parallel) }, (_, id) => worker(id)));
