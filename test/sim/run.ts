import { fraction } from '../../shared/random.ts';
import { SimCluster } from './cluster.ts';
import { Faults } from './faults.ts';
import type { Recorder } from './history.ts';
import { missing } from './oracles/convergence.ts';
import { judge } from './oracles/index.ts';
import { Users } from './users.ts';

export interface RunOptions {
  readonly nodes: number;
  readonly servers: number;
  /** How long things happen, in virtual milliseconds. */
  readonly stormMs: number;
  /** One thing that happens; called again and again. */
  readonly happen: (users: Users, faults: Faults, chance: number) => void;
}

/** Within so many virtual milliseconds after the last fault the cluster is as its objects ask for: the longest backoff of a container is 60 s. */
const convergedWithinMs = 120_000;
/** Then nothing is written for so long, and nothing is in any queue. */
const quietMs = 20_000;

/** Runs a cluster through a storm from a seed. Gives the promises that it broke. */
export async function run(
  seed: number,
  options: RunOptions,
): Promise<{ broken: string[]; fingerprint: string; history: Recorder }> {
  const cluster = new SimCluster(seed, options);
  const { clock, random, history } = cluster;
  const users = new Users(cluster);
  const faults = new Faults(cluster);
  const converged = () =>
    missing(
      history.world,
      cluster.nodes.map((node) => node.look(clock.monotonic())),
    );
  faults.end();
  await finish(cluster, users.begin());
  await until(cluster, converged, 60_000, 'at the start');

  const end = clock.monotonic() + options.stormMs;
  while (clock.monotonic() < end) {
    options.happen(users, faults, fraction(random));
    await clock.advance(50 + fraction(random) * 500);
    cluster.look();
  }

  // Faults end by themselves: those that have begun last end after the others.
  await clock.advance(15_000);
  faults.end();
  await finish(cluster, users.settle());
  const left = await until(cluster, converged, convergedWithinMs, 'after the storm');
  cluster.look();
  const broken = [...left, ...(left.length === 0 ? await noise(cluster) : []), ...judge(history)];
  cluster.stop();
  return { broken, fingerprint: cluster.fingerprint, history };
}

/** Writes that continue in a converged cluster. */
async function noise(cluster: SimCluster): Promise<string[]> {
  const { clock, history } = cluster;
  // Statuses and events that were held back come first.
  await clock.advance(quietMs);
  const from = history.steps.length;
  await clock.advance(quietMs);
  const broken: string[] = [];
  for (const { changes, revision } of history.steps.slice(from)) {
    for (const { kind, key } of changes) {
      // A node tells its status every minute.
      if (kind !== 'Lease' && kind !== 'Node')
        broken.push(`${kind} ${key} was written at ${revision}, though nothing happens`);
    }
  }
  for (const server of cluster.servers) {
    for (const [queue, depth] of await server.metric('workqueue_depth')) {
      if (depth > 0) broken.push(`${server.name}: ${depth} keys wait in the queue of ${queue}`);
    }
  }
  return broken;
}

/** Waits until nothing is missing; gives what still is when the time is over. */
async function until(cluster: SimCluster, check: () => string[], ms: number, when: string): Promise<string[]> {
  if (await cluster.clock.advanceUntil(() => check().length === 0, ms, 250)) return [];
  return check().map((what) => `${when}, not within ${ms / 1000} s: ${what}`);
}

/** Lets time pass until a promise has settled. */
async function finish<T>(cluster: SimCluster, promise: Promise<T>): Promise<T> {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  watched.catch(() => undefined);
  while (!settled) await cluster.clock.advance(20);
  return watched;
}
