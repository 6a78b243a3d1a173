import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Job, Pod } from '../../shared/generated/types.ts';
import { dockerMissing, testImage } from '../support/docker.ts';
import { type DockerCluster, startDockerCluster } from '../support/docker-cluster.ts';
import { type Kubectl, serveKubectl } from '../support/kubectl.ts';
import { hasKubectl } from '../support/kubectl-program.ts';

const missing = hasKubectl() ? await dockerMissing() : 'no kubectl';

describe.skipIf(missing)('Jobs on an agent and a Docker engine', () => {
  let cluster: DockerCluster;
  let kubectl: Kubectl;

  beforeAll(async () => {
    cluster = await startDockerCluster('10.98.0.0/16');
    kubectl = await serveKubectl(cluster);
  });
  afterAll(async () => {
    await kubectl?.close();
    await cluster?.close();
  });

  async function run(args: readonly string[], input?: string): Promise<string> {
    const { code, out, err } = await kubectl.run(args, input === undefined ? {} : { input });
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${err}`);
    expect(err).not.toContain('stored');
    return out;
  }

  async function apply(...jobs: readonly object[]): Promise<void> {
    const items = jobs.map((job) => ({ apiVersion: 'batch/v1', kind: 'Job', ...job }));
    await run(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  }
  const container = (script: string) => ({
    name: 'main',
    image: testImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', script],
  });
  const pods = async (job: string): Promise<Pod[]> =>
    JSON.parse(await run(['get', 'pods', '-l', `job-name=${job}`, '-o', 'json'])).items;
  const completed = (job: string) => run(['wait', '--for=condition=complete', `job/${job}`, '--timeout=90s']);

  it('the examples complete: each pod prints its part, by its index', async () => {
    const text = await readFile(new URL('../../deploy/examples/job.yaml', import.meta.url), 'utf8');
    const jobs = parseAllDocuments(text).map((one) => one.toJS() as Job);
    for (const { spec } of jobs) {
      for (const one of spec.template.spec?.containers ?? []) {
        Object.assign(one, { image: testImage, imagePullPolicy: 'IfNotPresent' });
      }
    }
    await apply(...jobs);
    await completed('count');
    await completed('shards');
    expect(await run(['logs', 'job/count'])).toBe('1\n2\n3\n');
    const logs = await Promise.all((await pods('shards')).map(({ metadata }) => run(['logs', metadata.name])));
    expect(logs.sort()).toEqual([0, 1, 2].map((index) => `shard ${index} of shards-${index}\n`));
    expect(await run(['get', 'job', 'shards', '-o', 'jsonpath={.status.completedIndexes}'])).toBe('0-2');
    expect(await pods('count')).toHaveLength(3);
    for (const { metadata } of await pods('count')) expect(metadata.finalizers).toBeUndefined();
  }, 120_000);

  it('replaces a pod that fails, and is complete within 2 s after the last one, whose sidecar does not stop', async () => {
    // The first pod fails: it alone finds no mark of another one.
    const mark = `/marks/failed`;
    const script = `[ -e ${mark} ] || { touch ${mark}; exit 3; }`;
    const sidecar = {
      ...container('trap "" TERM; while true; do sleep 1; done'),
      name: 'log',
      restartPolicy: 'Always',
    };
    const spec = {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 10,
      initContainers: [sidecar],
      containers: [{ ...container(script), volumeMounts: [{ name: 'marks', mountPath: '/marks' }] }],
      volumes: [
        { name: 'marks', hostPath: { path: `${cluster.node.docker.directory}/marks`, type: 'DirectoryOrCreate' } },
      ],
    };
    await apply({ metadata: { name: 'again' }, spec: { template: { spec } } });
    await completed('again');
    const { status } = JSON.parse(await run(['get', 'job', 'again', '-o', 'json'])) as Job;
    expect(status).toMatchObject({ succeeded: 1, failed: 1 });
    const ends = (await pods('again')).map((pod) => pod.status?.containerStatuses?.[0]?.state?.terminated?.finishedAt);
    const last = Math.max(...ends.map((end) => Date.parse(end ?? '')));
    // Both times are whole seconds.
    expect(Date.parse(status?.completionTime ?? '') - last).toBeLessThanOrEqual(3_000);
    await run(['delete', 'job', 'again', '--wait=false']);
  }, 150_000);
});
