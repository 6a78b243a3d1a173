import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endChild, startAgentChild } from '../support/agent-child.ts';
import { hasEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { administrator, type Caller, type ServerProcess, startServerProcess } from '../support/server-process.ts';

/** Requests that the flooding user has under way. */
const parallel = 400;
/** Requests that the other user makes, one after the other. */
const samples = 60;

describe.skipIf(!hasEtcd())('a flood by one user', () => {
  let server: ServerProcess;
  let admin: Caller;
  let ann: Caller;
  const children: ChildProcess[] = [];

  const start = (args: readonly string[], onLine: (line: string) => void = () => undefined): void => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout?.on('data', (data: Buffer) => onLine(data.toString().trim().split('\n').at(-1) ?? ''));
    children.push(child);
  };
  const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

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

  it('leaves another user his requests and a node its session', async () => {
    children.push(await startAgentChild(server, 'n1'));
    const ready = async (): Promise<string> => {
      const { text } = await admin('GET', '/api/v1/nodes/n1');
      const { status } = JSON.parse(text) as {
        status?: { conditions?: { type: string; status: string; lastTransitionTime: string }[] };
      };
      const condition = status?.conditions?.find(({ type }) => type === 'Ready');
      return `${condition?.status} since ${condition?.lastTransitionTime}`;
    };
    await eventually(async () => (await ready()).startsWith('True'), { timeoutMs: 30_000 });
    const before = await ready();
    const waiting = async (): Promise<number> => {
      const { text } = await admin('GET', '/metrics');
      return Number(/current_inqueue_requests{priority_level="workload"} (\d+)/.exec(text)?.[1]);
    };

    await measure();
    const idle = await measure();
    const connection = join(server.dir, 'flood.json');
    await writeFile(connection, JSON.stringify(await server.tls({ user: 'flood', groups: [] })), { mode: 0o600 });
    let answers: Record<string, number> = {};
    start([file('test/support/flood-child.ts'), String(server.restPort), connection, String(parallel)], (line) => {
      answers = JSON.parse(line) as Record<string, number>;
    });
    await eventually(async () => (await waiting()) > parallel / 2, { timeoutMs: 30_000 });
    const began = performance.now();
    const flooded = await measure();
    // Long enough for a node's lease to end, had its heartbeats waited.
    while (performance.now() - began < 8_000) await measure();
    const stillWaiting = await waiting();
    const [quiet, loud] = [at(idle, 0.5), at(flooded, 0.9)];
    const told = `idle ${quiet.toFixed(1)} ms, flooded ${at(flooded, 0.5).toFixed(1)} (p90 ${loud.toFixed(1)}) ms, flood ${JSON.stringify(answers)}, ${stillWaiting} wait`;
    expect(stillWaiting, told).toBeGreaterThan(parallel / 2);
    expect(loud / quiet, told).toBeLessThan(60);
    expect(await ready()).toBe(before);
  }, 120_000);
});
