import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, clusterOf, down, openCluster, up } from '../../deploy/cluster/cluster.ts';
import { listNodes } from '../../deploy/cluster/control-plane.ts';
import { programLog } from '../../deploy/cluster/machine.ts';
import type { RestApi } from '../../deploy/cluster/rest.ts';
import { run, tryRun } from '../../deploy/cluster/run.ts';
import { demoImages, imageArchive, streamOf } from '../../deploy/images.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import type { Node, Pod } from '../../shared/generated/types.ts';
import { isNodeReady } from '../../shared/node.ts';
import { eventually } from './eventually.ts';
import { kubectlProgram } from './kubectl-program.ts';

export const root = join(import.meta.dirname, '..', '..');

/** A cluster of real machines, or of hollow nodes, that a test made and must take down. */
export interface TestCluster extends Cluster {
  readonly api: RestApi;
  /** Real kubectl, as an administrator. Rejects with what it wrote when it fails. */
  kubectl(...args: string[]): Promise<string>;
  /** The same with `-o json`, parsed. */
  kubectlJson<T>(...args: string[]): Promise<T>;
  /** kubectl reads the manifest from its standard input. */
  apply(manifest: string | object): Promise<string>;
  coracle(...args: string[]): Promise<string>;
  pods(selector?: string): Promise<Pod[]>;
  pod(name: string): Promise<Pod>;
  node(index: number): Promise<Node>;
  whenNodeIs(index: number, state: 'ready' | 'lost', timeoutMs?: number): Promise<void>;
  /** The ends of the logs of all machines, for a failure's message. */
  logs(): string;
  down(): Promise<void>;
}

/**
 * Are there the means for a cluster of real machines and for kubectl? Under CI it is always said so: what is missing
 * there must fail the tests, not skip them.
 */
export async function canRunMachines(): Promise<boolean> {
  if (process.env.CI) return true;
  const tools = await tryRun('sh', ['-c', 'command -v kubectl && command -v dockerd && command -v ip']);
  return tools.status === 0 && process.getuid?.() === 0;
}

/** With `CORACLE_E2E_CLUSTER=DIR` it is the cluster that stands there already, which is left standing. */
export async function startCluster(
  options: { nodes?: number; runtime?: 'docker' | 'fake' } = {},
): Promise<TestCluster> {
  const { nodes = 3, runtime = 'docker' } = options;
  const standing = process.env.CORACLE_E2E_CLUSTER;
  if (standing) return testCluster(openCluster(standing, { clock, say: () => undefined }));
  const dir = mkdtempSync(join(tmpdir(), 'coracle-e2e-'));
  const deps = { clock, say: () => undefined };
  try {
    const cluster = clusterOf(await up({ dir, nodes, runtime }, deps), deps);
    if (runtime === 'docker') {
      for (const image of demoImages()) {
        const archive = await imageArchive(image);
        await cluster.load(() => streamOf(archive));
      }
    }
    return testCluster(cluster, dir);
  } catch (error) {
    await down(dir, deps);
    throw error;
  }
}

function testCluster(cluster: Cluster, dir?: string): TestCluster {
  const api = cluster.connect();
  const { kubeconfig } = cluster.file;
  const env = { KUBECONFIG: kubeconfig, CORACLE_CONFIG: kubeconfig };
  const kubectl = (...args: string[]): Promise<string> =>
    run(kubectlProgram, args, { env, cwd: root, timeoutMs: 90_000 });
  const node = async (index: number): Promise<Node> => {
    const { name } = cluster.machine(index);
    const found = (await listNodes(api)).find((candidate) => candidate.metadata.name === name);
    if (found === undefined) throw new Error(`${name} is not registered`);
    return found;
  };
  const podsPath = '/api/v1/namespaces/default/pods';
  return {
    ...cluster,
    api,
    kubectl,
    kubectlJson: async (...args) => JSON.parse(await kubectl(...args, '-o', 'json')),
    apply: (manifest) =>
      run(kubectlProgram, ['apply', '-f', '-'], {
        env,
        input: typeof manifest === 'string' ? manifest : JSON.stringify(manifest),
      }),
    coracle: (...args) => run(join(root, 'bin', 'coracle'), args, { env, cwd: root, timeoutMs: 90_000 }),
    async pods(selector) {
      const query = selector === undefined ? '' : `?labelSelector=${encodeURIComponent(selector)}`;
      return (await api.call<{ items: Pod[] }>('GET', podsPath + query)).items;
    },
    pod: (name) => api.call('GET', `${podsPath}/${name}`),
    node,
    async whenNodeIs(index, state, timeoutMs = 60_000) {
      const what = `${cluster.machine(index).name} is not ${state}`;
      await eventually(async () => isNodeReady(await node(index)) === (state === 'ready'), { timeoutMs, what });
    },
    logs: () =>
      cluster.file.plan.machines
        .flatMap((machine) =>
          (['init', 'server', 'agent'] as const).map(
            (program) => `--- ${machine.name} ${program}\n${programLog(machine, program)}`,
          ),
        )
        .join('\n'),
    async down() {
      api.close();
      if (dir !== undefined) await down(dir, { clock, say: () => undefined });
    },
  };
}
