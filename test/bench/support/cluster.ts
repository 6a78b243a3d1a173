import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, clusterOf, down, up } from '../../../deploy/cluster/cluster.ts';
import { demoImages, imageArchive, streamOf } from '../../../deploy/images.ts';
import { systemClock as clock } from '../../../shared/clock.ts';
import type { Pod } from '../../../shared/generated/types.ts';
import { type BenchContext, until } from './bench.ts';
import { podsPath } from './objects.ts';
import { findProcess } from './processes.ts';
import { LoadClient } from './rest.ts';

/** A cluster of one node, as `npm run cluster` makes it. */
export interface BenchCluster {
  readonly cluster: Cluster;
  readonly client: LoadClient;
  readonly pids: { readonly server: number; readonly etcd: number; readonly agent: number };
  /** The image of the containers, which is on the node. */
  readonly image: string;
}

export async function startCluster(context: BenchContext, runtime: 'docker' | 'fake'): Promise<BenchCluster> {
  const dir = context.directory();
  const deps = { clock, say: () => undefined };
  context.defer(async () => void (await down(dir, deps)));
  const cluster = clusterOf(await up({ dir, nodes: 1, runtime, logLevel: 'warn' }, deps), deps);
  const [, shell] = demoImages();
  if (!shell) throw new Error('there is no image to run');
  if (runtime === 'docker') {
    const archive = await imageArchive(shell);
    await cluster.load(() => streamOf(archive));
  }
  const { rest: url, ca, cert, key } = cluster.file;
  const read = (path: string): string => readFileSync(path, 'utf8');
  const client = new LoadClient({ url, ca: read(ca), cert: read(cert), key: read(key) }, 8);
  context.defer(() => client.close());
  const dataDir = join(cluster.machine(0).dir, 'data');
  const pids = {
    server: must('server', findProcess('server', dataDir)),
    etcd: must('etcd', findProcess('--name=coracle', `--data-dir=${join(dataDir, 'etcd', 'data')}`)),
    agent: must('agent', findProcess('agent', join(cluster.machine(1).dir, 'agent'))),
  };
  return { cluster, client, pids, image: shell.name };
}

/** A pod with this number of containers that sleep until their stop signal. */
export function sleepingPod(name: string, image: string, containers: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: Array.from({ length: containers }, (_, i) => ({ name: `c${i}`, image, command: [...sleeping] })),
    },
  };
}

/** The same in `docker run`. */
export const sleeping = ['sh', '-c', "trap 'exit 0' TERM; sleep 86400 & wait"] as const;

/** The pod's phase is Running, and so is each of its containers. */
export function runs(pod: Pod): boolean {
  const statuses = pod.status?.containerStatuses ?? [];
  return pod.status?.phase === 'Running' && statuses.length > 0 && statuses.every(({ state }) => state?.running);
}

export async function whenPodsAre(client: LoadClient, what: string, hold: (pods: Pod[]) => boolean): Promise<void> {
  const check = async (): Promise<boolean> => hold((await client.call<{ items: Pod[] }>('GET', podsPath)).items);
  await until(what, check, { everyMs: 50 });
}

function must(what: string, pid: number | undefined): number {
  if (pid === undefined) throw new Error(`the ${what}'s process is not to be found`);
  return pid;
}
