import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../shared/clock.ts';
import { isNodeReady } from '../shared/node.ts';
import { apiOf, listNodes } from './cluster/control-plane.ts';
import { engineReady, hostEngine, loadImage } from './cluster/engine.ts';
import { chooseNetworks } from './cluster/network.ts';
import { waitFor } from './cluster/process.ts';
import type { RestApi } from './cluster/rest.ts';
import { run } from './cluster/run.ts';
import { importBaseImage } from './compose/base-image.ts';
import { type ComposeProject, composeProject } from './compose/compose.ts';
import { interruptible, must, processTerminal, seconds, storyOn } from './demo/story.ts';
import { countByNode, spreadOf, whenAllAnswer } from './demo/web.ts';
import { demoImages, imageArchive, streamOf } from './images.ts';

/**
 * `npm run demo:compose`: a short form of the demo, on the cluster of deploy/docker-compose.yml. The base image is made of this machine's
 * programs, unless BASE_IMAGE names another.
 */

const root = join(import.meta.dirname, '..');
const manifest = join('deploy', 'examples', 'web.yaml');
const project = 'coracle-demo';
const nodes = ['node-1', 'node-2', 'node-3'];
const stepDeadlineMs = 90_000;

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error('interrupted')));
}
const clock = interruptible(systemClock, interrupt.signal);
const story = storyOn(processTerminal(), systemClock);
const began = systemClock.monotonic();

const ownBase = process.env.BASE_IMAGE === undefined;
const baseImage = process.env.BASE_IMAGE ?? 'coracle-base:local';
const { podCIDR } = await chooseNetworks('c0ffee');
const compose = await composeProject({ project, baseImage, podCIDR }, systemClock);
const scratch = mkdtempSync(join(tmpdir(), 'coracle-compose-'));

let failed = false;
try {
  await tell(compose);
} catch (error) {
  failed = true;
  console.error(`\n  ${(error as Error).message}\n`);
  for (const service of ['control-plane', 'node-1', 'node-2']) {
    console.error(await compose.logs(service).catch((trouble: Error) => `no logs of ${service}: ${trouble.message}`));
  }
}
try {
  await story.step('everything is taken down', async () => {
    await compose.down();
    if (ownBase) await run('docker', ['image', 'rm', '--force', baseImage]);
    rmSync(scratch, { recursive: true, force: true });
    return { result: undefined };
  });
} catch (error) {
  failed = true;
  console.error(`\n  ${(error as Error).message}\n`);
}
if (!failed) story.title(`The story held, every step of it, in ${seconds(systemClock.monotonic() - began)}.`);
process.exitCode = failed ? 1 : 0;

async function tell(compose: ComposeProject): Promise<void> {
  story.title('Coracle in containers: etcd, a control plane, and three nodes with a Docker engine each inside');
  if (ownBase) {
    await story.step("a base image is made of this machine's programs", async () => {
      await importBaseImage(hostEngine(), baseImage);
      return { result: undefined };
    });
  }
  await story.step('docker compose build', async () => ({ result: await compose.build() }));
  await story.step('docker compose up', async () => ({ result: await compose.up() }));
  const { api, env } = await story.step('three nodes join', async () => {
    const offered = await waitFor(
      'the control plane offers its kubeconfig',
      stepDeadlineMs,
      clock,
      () => compose.access(),
      200,
    );
    const api = apiOf(offered.access);
    const file = join(scratch, 'kubeconfig');
    writeFileSync(file, offered.kubeconfig, { mode: 0o600 });
    await whenReady(api, nodes);
    await Promise.all(nodes.map((name) => routePods(api, name)));
    return { result: { api, env: { KUBECONFIG: file, CORACLE_CONFIG: file } } };
  });
  try {
    await story.step('two small images, made on the spot, are put on every node', async () => {
      for (const image of demoImages()) {
        const archive = await imageArchive(image);
        for (const name of nodes) {
          const engine = await compose.engine(name);
          await engineReady(engine, clock);
          await loadImage(engine, streamOf(archive));
        }
      }
      return { result: undefined };
    });
    await heal(compose, api, env);
  } finally {
    api.close();
  }
}

async function heal(compose: ComposeProject, api: RestApi, env: Record<string, string>): Promise<void> {
  await story.step(`coracle apply -f ${manifest}: all six pods answer`, async () => {
    await run(join(root, 'bin', 'coracle'), ['apply', '-f', manifest], { env, cwd: root });
    const pods = await whenAllAnswer(api, 6, clock, stepDeadlineMs);
    must(countByNode(pods).size === 3, `the pods do not spread over the three nodes: ${spreadOf(pods)}`);
    return { result: undefined, remark: spreadOf(pods) };
  });
  const victim = 'node-2';
  await story.step(`${victim} is killed; its pods are replaced, and all six answer again`, async () => {
    await compose.kill(victim);
    const pods = await whenAllAnswer(api, 6, clock, stepDeadlineMs, (pod) => pod.spec?.nodeName !== victim);
    return { result: undefined, remark: spreadOf(pods) };
  });
  await story.step(`${victim} comes back, and takes pods again`, async () => {
    await compose.start(victim);
    await whenReady(api, [victim]);
    await routePods(api, victim);
    await run(join(root, 'bin', 'coracle'), ['scale', 'deployment/web', '--replicas', '9'], { env, cwd: root });
    const pods = await whenAllAnswer(api, 9, clock, stepDeadlineMs);
    must((countByNode(pods).get(victim) ?? 0) > 0, `no pod runs on ${victim}: ${spreadOf(pods)}`);
    return { result: undefined, remark: spreadOf(pods) };
  });
}

async function whenReady(api: RestApi, names: readonly string[]): Promise<void> {
  await waitFor(`${names.join(', ')} ready`, stepDeadlineMs, clock, async () => {
    const ready = (await listNodes(api)).filter(isNodeReady).map((node) => node.metadata.name);
    return names.every((name) => ready.includes(name));
  });
}

/** The host reaches a node's pods through the node's container. The route goes with the network that it leads into. */
async function routePods(api: RestApi, name: string): Promise<void> {
  const node = (await listNodes(api)).find((candidate) => candidate.metadata.name === name);
  const podCIDR = node?.spec?.podCIDR;
  must(podCIDR !== undefined, `${name} has no pod range`);
  await run('ip', ['route', 'replace', podCIDR, 'via', await compose.address(name)]);
}
