import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endChild, startAgentChild } from '../support/agent-child.ts';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

/** Requests that the flooding user has under way. */
const parallel = 400;
/** As many of them wait while the flood stands: more than have a seat. */
const standing = 40;
/** Requests that the other user makes, one after the other. */
const samples = 60;

describe.skipIf(!hasEtcd())('a flood by one user', () => {
  let server: ServerProcess;
  let admin: Caller;
  let ann: Caller;
  const children: ChildProcess[] = [];

  const start = (args: readonly string[], onLine: (line: string) => void): ChildProcess => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout?.on('data', (data: Buffer) => onLine(data.toString().trim().split('\n').at(-1) ?? ''));
    children.push(child);
    return child;
  };
  const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

  /** How many of users' requests wait for their turn. */
  const waitingOf = async (): Promise<number> => {
    const { text } = await admin('GET', '/metrics');
    return Number(/current_inqueue_requests{priority_level="workload"} (\d+)/.exec(text)?.[1]);
  };

  /** A watch of the other user's, which the flood finds open. */
  const startWatch = async (path: string): Promise<{ text(): string; stop(): void }> => {
    const options = {
      host: '127.0.0.1',
      port: server.restPort,
      path,
      ...(await server.tls({ user: 'ann', groups: [] })),
    };
    let text = '';
    const sent = request(options, (response) => response.on('data', (data: Buffer) => (text += data)));
    sent.on('error', () => undefined);
    sent.end();
    return { text: () => text, stop: () => void sent.destroy() };
  };

  /** Milliseconds of each of a user's requests: one of a read, a write and a short list. */
  const measure = async (): Promise<number[]> => {
    const times: number[] = [];
    for (let i = 0; i < samples; i++) {
      const began = performance.now();
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'mine-' } };
      const { status, text } =
        i % 3 === 0
          ? await ann('POST', '/api/v1/namespaces/ann/configmaps', { body })
          : await ann('GET', i % 3 === 1 ? '/api/v1/namespaces/ann' : '/api/v1/namespaces/ann/configmaps?limit=5');
      if (status >= 300) throw new Error(`${status}: ${text}`);
      times.push(performance.now() - began);
    }
    return times.sort((a, b) => a - b);
  };
  const at = (times: readonly number[], part: number): number => times[Math.floor(times.length * part)] ?? 0;

  beforeAll(async () => {
    server = await startServerProcess();
    admin = await server.caller(administrator);
    ann = await server.caller({ user: 'ann', groups: [] });
    for (const name of ['ann', 'flood']) {
      await admin('POST', '/api/v1/namespaces', { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } });
      const binding = {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'edits' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name }],
      };
      await admin('POST', `/apis/rbac.authorization.k8s.io/v1/namespaces/${name}/rolebindings`, { body: binding });
    }
    const data = { text: 'x'.repeat(1_000) };
    for (let i = 0; i < 1_500; i += 50) {
      const names = Array.from({ length: 50 }, (_, j) => `seed-${i + j}`);
      await Promise.all(
        names.map((name) =>
          admin('POST', '/api/v1/namespaces/flood/configmaps', {
            body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
          }),
        ),
      );
    }
  });
  afterAll(async () => {
    for (const child of children) await endChild(child);
    await server?.stop();
  });

  /** Whether the node is Ready, and since when: a lease that was not renewed in time would change it. */
  const state = async (): Promise<string> => {
    const { text } = await admin('GET', '/api/v1/nodes/n1');
    const { status } = JSON.parse(text) as {
      status?: { conditions?: { type: string; status: string; lastTransitionTime: string }[] };
    };
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return `${ready?.status} since ${ready?.lastTransitionTime}`;
  };

  /** Resolves when a Deployment that is made now has its pod on the node, and running. */
  const deploy = async (name: string): Promise<void> => {
    const labels = { app: name };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'some:1' }] } };
    const spec = { replicas: 1, selector: { matchLabels: labels }, template };
    const path = '/apis/apps/v1/namespaces/ann/deployments';
    await ann('POST', path, { body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec } });
    const isReady = async (): Promise<boolean> => {
      const { text } = await ann('GET', `${path}/${name}`);
      return (JSON.parse(text) as { status?: { readyReplicas?: number } }).status?.readyReplicas === 1;
    };
    await eventually(isReady, { timeoutMs: 30_000, everyMs: 200, what: 'nobody worked on the deployment' });
  };

  it('joins a node', async () => {
    children.push(await startAgentChild(server, 'n1'));
    await eventually(async () => (await state()).startsWith('True'), { timeoutMs: 30_000 });
  }, 60_000);

  it.each(['REST', 'gRPC'])(
    'over %s leaves another user his requests and his watch, a node its session, and controllers and the scheduler their work',
    async (way) => {
      const before = await state();
      await measure();
      const idle = await measure();
      const watch = await startWatch('/api/v1/namespaces/ann/secrets?watch=true');
      const connection = join(server.dir, 'flood.json');
      await writeFile(connection, JSON.stringify(await server.tls({ user: 'flood', groups: [] })), { mode: 0o600 });
      let answers: Record<string, number> = {};
      const target = way === 'REST' ? String(server.restPort) : server.grpc;
      const flood = start([file('test/support/flood-child.ts'), target, connection, String(parallel)], (line) => {
        answers = JSON.parse(line) as Record<string, number>;
      });
      const floods = async (): Promise<boolean> => (await waitingOf()) > standing;
      await eventually(floods, { timeoutMs: 60_000, what: 'no flood' });
      const began = performance.now();
      const flooded = await measure();
      await deploy(`web-${way.toLowerCase()}`);
      // Long enough for a node's lease to end, had its heartbeats waited.
      while (performance.now() - began < 8_000) await measure();
      await eventually(floods, { timeoutMs: 5_000, what: 'the flood has ended too soon' });
      const name = `seen-${way.toLowerCase()}`;
      const sent = performance.now();
      await ann('POST', '/api/v1/namespaces/ann/secrets', {
        body: { apiVersion: 'v1', kind: 'Secret', metadata: { name } },
      });
      await eventually(() => watch.text().includes(name), { timeoutMs: 5_000 });
      const late = performance.now() - sent;
      const [quiet, loud] = [at(idle, 0.5), at(flooded, 0.9)];
      const told = `idle ${quiet.toFixed(1)} ms, flooded ${at(flooded, 0.5).toFixed(1)} (p90 ${loud.toFixed(1)}) ms, watch ${late.toFixed(0)} ms, flood ${JSON.stringify(answers)}`;
      expect(loud / quiet, told).toBeLessThan(60);
      expect(await state(), told).toBe(before);
      watch.stop();
      await endChild(flood);
    },
    180_000,
  );
});
