import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { systemClock } from '../shared/clock.ts';
import { isNodeReady } from '../shared/node.ts';
import { type Cluster, clusterOf, down, up } from './cluster/cluster.ts';
import { listNodes } from './cluster/control-plane.ts';
import { engineAt } from './cluster/engine.ts';
import { namespaces } from './cluster/network.ts';
import { waitFor } from './cluster/process.ts';
import type { RestApi } from './cluster/rest.ts';
import { run } from './cluster/run.ts';
import { openDirectory, readPlan } from './cluster/state.ts';
import { interruptible, must, processTerminal, type Story, seconds, storyOn } from './demo/story.ts';
import { countByNode, spreadOf, webPods, whenAllAnswer } from './demo/web.ts';
import { demoImages, imageArchive, streamOf } from './images.ts';

/** `npm run demo`: three machines on this one, six pods, a power cut. Every claim is checked; the first failure ends it. */

const { keep, dir: chosen } = await yargs(hideBin(process.argv))
  .scriptName('npm run demo --')
  .option('keep', { type: 'boolean', default: false, describe: 'leave the cluster up and say how to use it' })
  .option('dir', { type: 'string', describe: "the cluster's directory; a temporary one when absent" })
  .strict()
  .parseAsync();

const root = join(import.meta.dirname, '..');
const coracle = join(root, 'bin', 'coracle');
const manifest = join('deploy', 'examples', 'web.yaml');
const stepDeadlineMs = 60_000;

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error('interrupted')));
}
const clock = interruptible(systemClock, interrupt.signal);
const story = storyOn(processTerminal(), systemClock);
const dir = chosen ?? mkdtempSync(join(tmpdir(), 'coracle-demo-'));
const began = systemClock.monotonic();

let failed = false;
try {
  const cluster = await start();
  const api = cluster.connect();
  try {
    await tell(story, cluster, api);
  } finally {
    api.close();
  }
  if (keep) explain(cluster);
} catch (error) {
  failed = true;
  console.error(`\n  ${(error as Error).message}\n`);
}
if (!keep || failed) {
  try {
    await takeDown();
  } catch (error) {
    failed = true;
    console.error(`\n  ${(error as Error).message}: left in ${dir}\n`);
  }
}
if (!failed) story.title(`The story held, every step of it, in ${seconds(systemClock.monotonic() - began)}.`);
process.exitCode = failed ? 1 : 0;

/** The cluster tool does both at once, and reports its progress. */
async function start(): Promise<Cluster> {
  story.title('Coracle: three machines on this one, each with its own network, Docker engine and address');
  let controlPlaneReady: () => void = () => undefined;
  const controlPlane = new Promise<void>((resolve) => {
    controlPlaneReady = resolve;
  });
  const made = up({ dir, nodes: 3 }, { clock, say: (line) => line === 'control plane ready' && controlPlaneReady() });
  await story.step('an etcd and a control plane start', async () => {
    await Promise.race([controlPlane, made]);
    return { result: undefined };
  });
  const cluster = await story.step('three nodes join', async () => {
    const file = await made;
    const remark = file.nodes.map(({ name, address }) => `${name} at ${address}`).join(', ');
    return { result: clusterOf(file, { clock, say: () => undefined }), remark };
  });
  await story.step('two small images, made on the spot, are put on every node', async () => {
    for (const image of demoImages()) {
      const archive = await imageArchive(image);
      await cluster.load(() => streamOf(archive));
    }
    return {
      result: undefined,
      remark: demoImages()
        .map(({ name }) => name)
        .join(', '),
    };
  });
  return cluster;
}

async function tell(story: Story, cluster: Cluster, api: RestApi): Promise<void> {
  const { kubeconfig } = cluster.file;
  const env = { KUBECONFIG: kubeconfig, CORACLE_CONFIG: kubeconfig };
  const cli = (...args: string[]): Promise<string> => run(coracle, args, { env, cwd: root, timeoutMs: stepDeadlineMs });

  await story.step(`coracle apply -f ${manifest}: six pods of two containers`, async () => {
    return { result: undefined, remark: (await cli('apply', '-f', manifest)).trim() };
  });
  const first = await story.step('all six are ready and answer on their own addresses', async () => {
    const pods = await whenAllAnswer(api, 6, clock, stepDeadlineMs);
    must(countByNode(pods).size === 3, `the pods do not spread over the three nodes: ${spreadOf(pods)}`);
    return { result: pods, remark: spreadOf(pods) };
  });

  // The victim is a node with pods.
  const victim = 2;
  const { name } = cluster.machine(victim);
  const lost = first.filter((pod) => pod.spec?.nodeName === name).length;
  const engine = engineAt(cluster.machine(victim).engine);
  const before = (await engine.listContainers({ all: true })).map(({ Id }) => Id);
  await story.step(`${name} loses power`, async () => {
    await cluster.kill(victim);
    return { result: undefined };
  });
  const cut = systemClock.monotonic();
  await story.step('the cluster notices', async () => {
    await waitFor(`${name} is seen as lost`, stepDeadlineMs, clock, async () => {
      const node = (await listNodes(api)).find((candidate) => candidate.metadata.name === name);
      return node !== undefined && !isNodeReady(node);
    });
    return { result: undefined };
  });
  await story.step(`${lost} pods are replaced, and all six answer again`, async () => {
    const pods = await whenAllAnswer(api, 6, clock, stepDeadlineMs, (pod) => pod.spec?.nodeName !== name);
    return {
      result: undefined,
      remark: `${spreadOf(pods)}; ${seconds(systemClock.monotonic() - cut)} after the power cut`,
    };
  });

  await story.step(`${name} is switched on again and is ready`, async () => {
    await cluster.boot(victim);
    await waitFor(`${name} is ready`, stepDeadlineMs, clock, async () => {
      return (await listNodes(api)).some((node) => node.metadata.name === name && isNodeReady(node));
    });
    const left = (await engine.listContainers({ all: true })).filter(({ Id }) => before.includes(Id));
    must(left.length === 0, `${name} is ready but holds ${left.length} containers from before the power cut`);
    return { result: undefined, remark: `of the ${before.length} containers from before nothing is left` };
  });
  await story.step('coracle scale deployment/web --replicas 9: the node takes pods again', async () => {
    await cli('scale', 'deployment/web', '--replicas', '9');
    const pods = await whenAllAnswer(api, 9, clock, stepDeadlineMs);
    must((countByNode(pods).get(name) ?? 0) > 0, `no pod runs on ${name}: ${spreadOf(pods)}`);
    return { result: undefined, remark: spreadOf(pods) };
  });
  if (keep) return;
  await story.step('coracle delete -f: the Deployment and its pods go', async () => {
    await cli('delete', '-f', manifest);
    await waitFor('the pods are gone', stepDeadlineMs, clock, async () => (await webPods(api)).length === 0);
    return { result: undefined };
  });
}

async function takeDown(): Promise<void> {
  await story.step('everything is taken down', async () => {
    const id = readPlan(openDirectory(dir))?.plan.id;
    await down(dir, { clock: systemClock, say: () => undefined });
    const left = id === undefined ? [] : await namespaces(id);
    must(left.length === 0, `still there: ${left.join(', ')}`);
    return { result: undefined };
  });
}

function explain({ file }: Cluster): void {
  story.title('The cluster stays. To use it:');
  for (const line of [
    `export KUBECONFIG=${file.kubeconfig}`,
    'kubectl get pods -o wide',
    'bin/coracle get pods',
    `grpcurl -cacert ${file.ca} -cert ${file.cert} -key ${file.key} ${new URL(file.grpc).host} list`,
    `npm run cluster -- kill 1 --dir ${dir}       (boot, partition, heal)`,
    `npm run cluster -- down --dir ${dir}`,
  ]) {
    console.log(`  ${line}`);
  }
}
