import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PodMetrics } from '../../shared/generated/types.ts';
import { intValue, milliValue } from '../../shared/quantity.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { eventually } from '../support/eventually.ts';
import { type Kubectl, serveKubectl } from '../support/kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

const found = hasKubectl();
const missing = found ? await dockerMissing() : 'no kubectl';

const mebibyte = 2 ** 20;
const base = '/apis/metrics.k8s.io/v1beta1';

describe.skipIf(missing)('kubectl top, on a real engine', { timeout: 60_000 }, () => {
  let cluster: DockerCluster;
  let kubectl: Kubectl;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.97.0.0/16');
    kubectl = await serveKubectl(cluster);
    const image = { image: testImage, imagePullPolicy: 'IfNotPresent' } as const;
    const container = (name: string, script: string, cpu?: string) => ({
      ...image,
      name,
      command: ['/bin/sh', '-c', script],
      ...(cpu ? { resources: { limits: { cpu } } } : {}),
    });
    await cluster.runPod({
      metadata: { name: 'busy', namespace: 'default', labels: { app: 'busy' } },
      spec: {
        containers: [
          container('burner', 'while :; do :; done', '200m'),
          container('holder', 'x=$(head -c 30000000 /dev/zero | tr "\\0" a); while :; do sleep 1; done'),
        ],
        terminationGracePeriodSeconds: 0,
      },
    });
    await cluster.runPod({
      metadata: { name: 'quiet', namespace: 'default', labels: { app: 'quiet' } },
      spec: { containers: [container('app', 'exec sleep 1000')], terminationGracePeriodSeconds: 0 },
    });
    await eventually(async () => (await rows('top', 'pods', '--no-headers')).length === 2, { timeoutMs: 30_000 });
  }, 60_000);
  afterAll(async () => {
    await kubectl?.close();
    await cluster?.close();
  });

  async function lines(...args: string[]): Promise<string[]> {
    const { out } = await kubectl.run(args);
    return out.split('\n').filter((line) => line !== '');
  }

  async function rows(...args: string[]): Promise<string[][]> {
    return (await lines(...args)).map((line) => line.trim().split(/\s+/));
  }

  async function busy(): Promise<PodMetrics> {
    return JSON.parse((await kubectl.run(['get', '--raw', `${base}/namespaces/default/pods/busy`])).out);
  }

  it('shows what a node uses, and how much of it that is', async () => {
    const [head, node] = await rows('top', 'nodes');
    expect(head).toEqual(['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)']);
    expect(node).toEqual([
      'node-1',
      expect.stringMatching(/^\d+m$/),
      ...Array(1).fill(expect.stringMatching(/^\d+%$/)),
      expect.stringMatching(/^\d+Mi$/),
      expect.stringMatching(/^\d+%$/),
    ]);
    expect(Number.parseInt(node?.[1] ?? '', 10)).toBeGreaterThan(100);
  });

  it('measures processor time and memory of each container', async () => {
    const measured = await eventually(
      async () => {
        const { containers } = await busy();
        const of = (name: string) => containers.find((each) => each.name === name)?.usage ?? {};
        const [burner, holder] = [of('burner'), of('holder')];
        const burnt = milliValue(burner.cpu ?? '0');
        const held = intValue(holder.memory ?? '0');
        return burnt > 120 && burnt < 280 && held > 28 * mebibyte && held < 200 * mebibyte && { burner, holder };
      },
      { timeoutMs: 30_000, everyMs: 500 },
    );
    expect(intValue(measured.burner.memory ?? '0')).toBeLessThan(20 * mebibyte);
    expect(milliValue(measured.holder.cpu ?? '0')).toBeLessThan(100);
  });

  it('returns usage, time and window like metrics-server', async () => {
    expect(await busy()).toEqual({
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'PodMetrics',
      metadata: {
        name: 'busy',
        namespace: 'default',
        creationTimestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        labels: { app: 'busy' },
      },
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      window: expect.stringMatching(/^\d+(\.\d+)?s$/),
      containers: [
        { name: 'burner', usage: { cpu: expect.stringMatching(/^\d+[num]?$/), memory: expect.any(String) } },
        { name: 'holder', usage: { cpu: expect.stringMatching(/^\d+[num]?$/), memory: expect.any(String) } },
      ],
    });
  });

  it('sorts, sums, picks by labels and shows containers', async () => {
    expect((await rows('top', 'pods', '--sort-by=cpu', '--no-headers')).map(([name]) => name)).toEqual([
      'busy',
      'quiet',
    ]);
    expect((await rows('top', 'pods', '--sort-by=memory', '--no-headers')).map(([name]) => name)).toEqual([
      'busy',
      'quiet',
    ]);
    expect((await rows('top', 'pods', '-l', 'app=quiet', '--no-headers')).map(([name]) => name)).toEqual(['quiet']);
    expect((await rows('top', 'pod', 'quiet', '--no-headers')).map(([name]) => name)).toEqual(['quiet']);
    expect((await rows('top', 'pods', '--containers')).map((row) => row.slice(0, 2))).toEqual([
      ['POD', 'NAME'],
      ['busy', 'burner'],
      ['busy', 'holder'],
      ['quiet', 'app'],
    ]);
    const all = await lines('top', 'pods', '-A', '--sum');
    expect(all[0]).toMatch(/^NAMESPACE +NAME +CPU\(cores\) +MEMORY\(bytes\)/);
    expect(all.at(-1)).toMatch(/^ +\d+m +\d+Mi/);
  });

  it('shows the group in discovery, in its own table, and in protobuf', async () => {
    expect(
      (await rows('api-resources', '--api-group=metrics.k8s.io', '--no-headers', '-o', 'wide')).map((row) => [
        row[0],
        row.at(-2),
        row.at(-1),
      ]),
    ).toEqual([
      ['nodes', 'NodeMetrics', 'get,list'],
      ['pods', 'PodMetrics', 'get,list'],
    ]);
    expect((await rows('get', 'pods.metrics.k8s.io'))[0]).toEqual(['NAME', 'CPU', 'MEMORY', 'WINDOW']);
    expect((await rows('get', 'pods', '--no-headers')).map(([name]) => name)).toEqual(['busy', 'quiet']);
  });

  it('distinguishes a missing pod from a missing measurement', async () => {
    const pending = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'waiting' },
      spec: { nodeSelector: { never: 'there' }, containers: [{ name: 'app', image: 'x' }] },
    };
    await kubectl.run(['create', '-f', '-'], { input: JSON.stringify(pending) });
    const of = async (name: string) =>
      (await kubectl.run(['get', '--raw', `${base}/namespaces/default/pods/${name}`])).err;
    expect(await of('nobody')).toBe('Error from server (NotFound): pods "nobody" not found\n');
    expect(await of('waiting')).toBe(
      'Error from server (NotFound): podmetrics.metrics.k8s.io "default/waiting" not found\n',
    );
    await kubectl.run(['delete', 'pod', 'waiting', '--now']);
  });

  it('is read only, and cannot be watched', async () => {
    const { err } = await kubectl.run(['delete', 'pods.metrics.k8s.io', 'busy']);
    expect(err).toContain('MethodNotAllowed');
  });
});
