/**
 * From creating a pod to its being seen to run by a watch, against `docker run -d` of the same containers, one after the
 * other: on an engine with Docker's bridge network, for a pod has a network, too, and on the node's own engine, which
 * has none. A cluster of one real machine; needs root.
 *
 *   npx tsx test/bench/pod-start.ts [--quick]
 */
import { engineAt, loadImage } from '../../deploy/cluster/engine.ts';
import { run } from '../../deploy/cluster/run.ts';
import { demoImages, imageArchive, streamOf } from '../../deploy/images.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { startTestDocker } from '../support/docker.ts';
import { makeNetns } from '../support/netns.ts';
import { type BenchContext, pause, runBench } from './support/bench.ts';
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
  /** `docker run -d` on Docker's bridge, and with no network but the loopback. */
  readonly bridge: number[];
  readonly none: number[];
}

await runBench('Pod start', async (context) => {
  const rounds = context.quick ? 3 : 15;
  const bench = await startCluster(context, 'docker');
  const own = bench.cluster.machine(1).engine;
  const bridged = await startBridged(context, bench);
  const cases = [1, 2].map((containers): Starts => ({ containers, pod: [], bound: [], bridge: [], none: [] }));
  for (const { containers } of cases) {
    await startPod(bench, `warm-${containers}`, containers);
    for (const socket of [own, bridged]) await dockerRun(socket, bench.image, containers);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { containers, pod, bound, bridge, none } of cases) {
      const start = await startPod(bench, `pod-${containers}-${round}`, containers);
      pod.push(start.runningMs);
      bound.push(start.boundMs);
      bridge.push(await dockerRun(bridged, bench.image, containers));
      none.push(await dockerRun(own, bench.image, containers));
    }
  }
  for (const { containers, pod, bound, bridge, none } of cases) {
    const spread = (of: readonly number[]): string =>
      `${number(percentile(of, 0))} to ${number(percentile(of, 1))}, median ${number(median(of))} ms`;
    const seen = `${spread(pod)} (${number(median(bound))} ms of it until bound)`;
    context.say(`containers ${containers}: pod ${seen}`);
    context.say(`  docker run on a bridge ${spread(bridge)}: ratio ${number(median(pod) / median(bridge))}`);
    context.say(`  docker run without a network ${spread(none)}: ratio ${number(median(pod) / median(none))}`);
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

/** An engine as the node's, but with Docker's bridge, in a network of its own. Returns its socket. */
async function startBridged(context: BenchContext, { cluster, image }: BenchCluster): Promise<string> {
  const netns = await makeNetns();
  context.defer(() => netns.remove());
  const ociRuntime = cluster.file.containerRuntime.name === 'crun' ? 'crun' : undefined;
  const docker = await startTestDocker({ netns: netns.path, bridge: '172.31.0.1/24', ociRuntime });
  context.defer(() => docker.stop());
  const spec = demoImages().find(({ name }) => name === image);
  if (!spec) throw new Error(`there is no image ${image}`);
  await loadImage(engineAt(docker.socket), streamOf(await imageArchive(spec)));
  return docker.socket;
}

async function dockerRun(socket: string, image: string, containers: number): Promise<number> {
  const host = ['-H', `unix://${socket}`];
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

function figure({ containers, pod, bridge, none }: Starts): Figure {
  const [ours, theirs] = [median(pod), median(bridge)];
  const each = containers === 1 ? '' : ', one after the other';
  const what = containers === 1 ? 'of one container' : `of ${containers} containers`;
  return {
    what: `Pod ${what}: create to Running`,
    result: `${number(ours)} ms`,
    comparedWith: `\`docker run -d\` on Docker's bridge${each}: ${number(theirs)} ms (without a network ${number(median(none))} ms)`,
    ratio: `${number(ours / theirs)} (${number(ours / median(none))})`,
    target: '≤ 1.5 with the bridge',
    met: ours <= 1.5 * theirs,
  };
}
