/**
 * From creating a pod to its being seen to run by a watch, against `docker run -d` of the same containers on the same
 * engine, one after the other. A cluster of one real machine; needs root.
 *
 *   npx tsx test/bench/pod-start.ts [--quick]
 */
import { run } from '../../deploy/cluster/run.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { pause, runBench } from './support/bench.ts';
import { type BenchCluster, runs, sleeping, sleepingPod, startCluster, whenPodsAre } from './support/cluster.ts';
import { type Figure, median, number, percentile } from './support/figures.ts';
import { podsPath } from './support/objects.ts';

/** Between two starts, for what the one before leaves to do. */
const settleMs = 500;

interface Starts {
  readonly containers: number;
  readonly pod: number[];
  /** Of `pod`, the time until the pod was seen to be bound to its node. */
  readonly bound: number[];
  readonly docker: number[];
}

await runBench('Pod start', async (context) => {
  const rounds = context.quick ? 3 : 15;
  const bench = await startCluster(context, 'docker');
  const cases: Starts[] = [1, 2].map((containers) => ({ containers, pod: [], bound: [], docker: [] }));
  for (const { containers } of cases) {
    await startPod(bench, `warm-${containers}`, containers);
    await dockerRun(bench, containers);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { containers, pod, bound, docker } of cases) {
      const start = await startPod(bench, `pod-${containers}-${round}`, containers);
      pod.push(start.runningMs);
      bound.push(start.boundMs);
      docker.push(await dockerRun(bench, containers));
    }
  }
  for (const { containers, pod, bound, docker } of cases) {
    const spread = (of: readonly number[]): string =>
      `${number(percentile(of, 0))} to ${number(percentile(of, 1))}, median ${number(median(of))} ms`;
    const seen = `${spread(pod)} (${number(median(bound))} ms of it until bound)`;
    context.say(`containers ${containers}: pod ${seen}; docker run ${spread(docker)}`);
  }
  return cases.map(figure);
});

async function startPod(
  { client, image }: BenchCluster,
  name: string,
  containers: number,
): Promise<{ boundMs: number; runningMs: number }> {
  const { metadata } = await client.call<{ metadata: { resourceVersion: string } }>('GET', `${podsPath}?limit=1`);
  let bound = Number.NaN;
  const watching = client.watch(podsPath, metadata.resourceVersion, (line) => {
    const { object } = JSON.parse(line) as { object: Pod };
    if (object.metadata.name !== name) return false;
    if (Number.isNaN(bound) && object.spec.nodeName) bound = performance.now();
    return runs(object);
  });
  // Time for the watch to be there: it is no part of a start.
  await pause(100);
  const began = performance.now();
  await client.call('POST', podsPath, sleepingPod(name, image, containers));
  const ended = await watching;
  await client.call('DELETE', `${podsPath}/${name}`);
  await whenPodsAre(client, `${name} is gone`, (pods) => pods.length === 0);
  await pause(settleMs);
  return { boundMs: bound - began, runningMs: ended - began };
}

async function dockerRun({ cluster, image }: BenchCluster, containers: number): Promise<number> {
  const host = ['-H', `unix://${cluster.machine(1).engine}`];
  const ids: string[] = [];
  const began = performance.now();
  for (let i = 0; i < containers; i++) {
    ids.push((await run('docker', [...host, 'run', '-d', image, ...sleeping])).trim());
  }
  const took = performance.now() - began;
  await run('docker', [...host, 'rm', '-f', ...ids]);
  await pause(settleMs);
  return took;
}

function figure({ containers, pod, docker }: Starts): Figure {
  const [ours, theirs] = [median(pod), median(docker)];
  const what = containers === 1 ? 'of one container' : `of ${containers} containers`;
  return {
    what: `Pod ${what}: create to Running`,
    result: `${number(ours)} ms`,
    comparedWith: `\`docker run -d\` ${containers === 1 ? 'of it' : 'of each in turn'}: ${number(theirs)} ms`,
    ratio: number(ours / theirs),
    target: '≤ 1.5',
    met: ours <= 1.5 * theirs,
  };
}
