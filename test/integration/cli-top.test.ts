import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { usageHandlers } from '../../control-plane/api/resources/metrics/usage.ts';
import { writeKubeconfig } from '../../shared/pki/kubeconfig.ts';
import type { LatestUsage } from '../../shared/session.ts';
import { startCli } from '../support/cli.ts';
import { administrator, startTestGrpc, type TestGrpc } from '../support/grpc-server.ts';

let grpc: TestGrpc;
let dir: string;

const mebibyte = 2 ** 20;

/** What nodes say, by their name. */
const usage = new Map<string, LatestUsage>();

beforeAll(async () => {
  grpc = await startTestGrpc({ handlers: usageHandlers(async () => usage) });
  dir = await mkdtemp(join(tmpdir(), 'coracle-top-'));
  const { ca, credentials } = await grpc.tls(administrator);
  const access = { cluster: 'test', user: 'admin', rest: 'https://127.0.0.1:1', grpc: grpc.address };
  await writeFile(join(dir, 'kubeconfig'), writeKubeconfig({ ...access, ca, credentials }));
  const { client } = grpc;
  const node = await client.create('Node', { metadata: { name: 'node-1' }, spec: {} });
  const allocatable = { cpu: '2', memory: '1Gi', pods: '110' };
  await client.updateStatus('Node', { ...node, status: { capacity: allocatable, allocatable } });
  const pods = new Map<string, LatestUsage['pods'] extends ReadonlyMap<string, infer P> ? P : never>();
  const used = (name: string, cpuMillis: number, mebibytes: number) => ({
    name,
    cpuNanoCores: cpuMillis * 1e6,
    memoryBytes: mebibytes * mebibyte,
  });
  for (const [name, containers] of [
    ['small', [used('app', 10, 200)]],
    ['large', [used('app', 100, 50), used('side', 5, 20)]],
    ['new', []],
  ] as const) {
    const pod = await client.create('Pod', {
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'a' }] },
    });
    await client.updateStatus('Pod', { ...pod, status: { phase: 'Running' } });
    if (containers.length > 0) pods.set(pod.metadata.uid, { uid: pod.metadata.uid, windowMs: 15_000, containers });
  }
  const at = Date.parse('2026-01-01T00:00:00Z');
  usage.set('node-1', { at, node: { ...used('', 500, 512), windowMs: 15_000 }, pods });
});
afterAll(async () => {
  await grpc?.stop();
  await rm(dir, { recursive: true, force: true });
});

async function coracle(...args: string[]) {
  const { out, err } = await startCli(args, { KUBECONFIG: join(dir, 'kubeconfig'), HOME: dir }).done;
  return err + out;
}

test('top nodes shows what each uses, and its share of what pods may have', async () => {
  expect(await coracle('top', 'nodes')).toBe(
    [
      'NAME     CPU(cores)   CPU(%)   MEMORY(bytes)   MEMORY(%)',
      'node-1   500m         25%      512Mi           50%',
      '',
    ].join('\n'),
  );
});

test('top pods shows measured pods, sorted and summed as requested', async () => {
  expect(await coracle('top', 'pods', '--sort-by', 'cpu', '--sum')).toBe(
    [
      'NAME    CPU(cores)   MEMORY(bytes)',
      'large   105m         70Mi',
      'small   10m          200Mi',
      '        ________     ________',
      '        115m         270Mi',
      '',
    ].join('\n'),
  );
  expect(await coracle('top', 'pods', '--sort-by', 'memory', '--no-headers')).toMatch(/^small .*\nlarge /);
  expect(await coracle('top', 'pods', '-l', 'app=small', '--no-headers')).toMatch(/^small [^\n]*\n$/);
});

test('top pods shows containers, and namespaces', async () => {
  expect(await coracle('top', 'pods', '--containers', '-A')).toBe(
    [
      'NAMESPACE   POD     NAME   CPU(cores)   MEMORY(bytes)',
      'default     large   app    100m         50Mi',
      'default     large   side   5m           20Mi',
      'default     small   app    10m          200Mi',
      '',
    ].join('\n'),
  );
});

test('a pod that is not measured yet is another thing than one that is not there', async () => {
  expect(await coracle('top', 'pod', 'new')).toContain('metrics not available for pod default/new');
  expect(await coracle('top', 'pod', 'nobody')).toContain('pods "nobody" not found');
});
