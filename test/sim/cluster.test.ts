import { describe, expect, it } from 'vitest';
import { isApiError } from '../../shared/errors.ts';
import type { Pod } from '../../shared/generated/types.ts';
import { isPodReady } from '../../shared/pod.ts';
import { fraction, randomInt } from '../../shared/random.ts';
import { SimCluster, type SimNode } from './cluster.ts';
import { Invariants } from './invariants.ts';

/** Replay one run with SIM_SEED=n; try many with SIM_RUNS=n. */
const firstSeed = Number(process.env.SIM_SEED ?? 1);
const runs = process.env.SIM_SEED ? 1 : Number(process.env.SIM_RUNS ?? 3);

const nodeCount = 20;
const deployments = ['a', 'b', 'c', 'd', 'e'];
const replicas = 20;
/** How long faults go on, in virtual milliseconds. */
const stormMs = 90_000;

describe('a cluster of 20 nodes and 100 pods in a storm of crashes and cut cables', () => {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    it(`keeps its promises and heals (seed ${seed})`, { timeout: 120_000 }, async () => {
      const { invariants, cluster } = await storm(seed);
      expect(invariants.broken).toEqual([]);
      // It was a storm: a good part of the pods had to be replaced.
      expect(invariants.placed).toBeGreaterThan(deployments.length * replicas * 1.2);
      cluster.stop();
    });
  }

  it('runs the same again from the same seed', { timeout: 120_000 }, async () => {
    const [first, second] = [await storm(firstSeed, 20_000), await storm(firstSeed, 20_000)];
    expect(second.fingerprint).toBe(first.fingerprint);
    for (const { cluster } of [first, second]) cluster.stop();
  });
});

async function storm(seed: number, ms = stormMs) {
  const invariants = new Invariants();
  const cluster = new SimCluster(seed, nodeCount, invariants.observe);
  const { clock, random, network } = cluster;
  const acknowledged: string[] = [];
  cluster.startControlPlane();
  for (const node of cluster.nodes) node.startAgent();
  await until(cluster, () => readyNodes(invariants) === nodeCount, 'all nodes are ready');
  for (const name of deployments) await createDeployment(cluster, name);
  await until(cluster, () => whole(cluster, invariants), 'all pods run');

  const end = clock.monotonic() + ms;
  while (clock.monotonic() < end) {
    act(cluster, cluster.nodes[randomInt(random, nodeCount)] as SimNode);
    write(cluster, acknowledged);
    await clock.advance(200 + fraction(random) * 1_500);
    checkEngines(cluster, invariants);
    if (invariants.broken.length > 0) break;
  }

  for (const node of cluster.nodes) {
    network.heal(node.name);
    node.boot();
    node.startAgent();
  }
  if (!cluster.controlPlane) cluster.startControlPlane();
  await until(cluster, () => whole(cluster, invariants), `everything heals (seed ${seed})`, 180_000);
  checkEngines(cluster, invariants);
  const stored = new Set((await call(cluster, () => list(cluster))).map(({ metadata }) => metadata.name));
  const lost = acknowledged.filter((name) => !stored.has(name));
  if (lost.length > 0) invariants.broken.push(`acknowledged, and lost: ${lost.join(', ')}`);
  return { invariants, cluster, fingerprint: cluster.fingerprint };
}

/** One thing that happens to a cluster. */
function act(cluster: SimCluster, node: SimNode): void {
  const { network, random } = cluster;
  const chance = randomInt(random, 100);
  if (chance < 20) node.powered ? node.powerCut() : node.boot();
  else if (chance < 40) network.isCut(node.name) ? network.heal(node.name) : network.cut(node.name);
  else if (chance < 60) node.running ? node.killAgent() : node.startAgent();
  else if (chance < 68) cluster.controlPlane ? cluster.crashControlPlane() : cluster.startControlPlane();
  else if (chance < 80) killContainer(node, cluster);
  else if (!cluster.controlPlane) cluster.startControlPlane();
  else if (chance < 90) deletePod(cluster);
  // Most of what is broken is mended in the end: a storm, not the end of the world.
  else for (const one of cluster.nodes) if (fraction(random) < 0.5) mend(cluster, one);
}

function mend(cluster: SimCluster, node: SimNode): void {
  cluster.network.heal(node.name);
  node.boot();
  node.startAgent();
}

function killContainer(node: SimNode, cluster: SimCluster): void {
  const running = [...node.engine.containers.values()].filter(({ state }) => state === 'running');
  const victim = running[randomInt(cluster.random, Math.max(1, running.length))];
  if (victim) node.engine.exit(victim.id, 1);
}

function deletePod(cluster: SimCluster): void {
  const pods = [...(cluster.controlPlane?.informers.of('Pod').values() ?? [])];
  const victim = pods[randomInt(cluster.random, Math.max(1, pods.length))];
  const { name = '', namespace } = victim?.metadata ?? {};
  if (victim) cluster.controlPlane?.client.delete('Pod', name, { namespace }).catch(ignoreRefusal);
}

/** A write whose acknowledgement is a promise. */
function write(cluster: SimCluster, acknowledged: string[]): void {
  const name = `write-${Math.round(cluster.clock.monotonic() * 1000)}`;
  cluster.controlPlane?.client
    .create('ConfigMap', { metadata: { name, namespace: 'default' }, data: { written: name } })
    .then(() => acknowledged.push(name), ignoreRefusal);
}

function ignoreRefusal(error: unknown): void {
  if (!isApiError(error)) throw error;
}

async function createDeployment(cluster: SimCluster, name: string): Promise<void> {
  const labels = { app: name };
  const container = { name: 'main', image: 'main:1', resources: { requests: { cpu: '250m' } } };
  const template = { metadata: { labels }, spec: { containers: [container, { ...container, name: 'sidecar' }] } };
  const spec = { replicas, selector: { matchLabels: labels }, template };
  await call(cluster, async () => {
    await cluster.controlPlane?.client.create('Deployment', {
      metadata: { name, namespace: 'default' },
      spec: spec as never,
    });
  });
}

async function list(cluster: SimCluster) {
  return (await cluster.controlPlane?.client.list('ConfigMap', { namespace: 'default' }))?.items ?? [];
}

/** Runs a promise that waits for the virtual clock. */
async function call<T>(cluster: SimCluster, run: () => Promise<T>): Promise<T> {
  let settled = false;
  const promise = run().finally(() => {
    settled = true;
  });
  promise.catch(() => undefined);
  while (!settled) await cluster.clock.advance(10);
  return promise;
}

async function until(cluster: SimCluster, check: () => boolean, what: string, ms = 60_000): Promise<void> {
  if (!(await cluster.clock.advanceUntil(check, ms, 100))) throw new Error(`${what}: not within ${ms / 1000} s`);
}

function readyNodes(invariants: Invariants): number {
  return [...invariants.nodes].filter((node) =>
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  ).length;
}

/** All nodes are ready, every Deployment has its pods, all of them ready, and the engines run exactly these. */
function whole(cluster: SimCluster, invariants: Invariants): boolean {
  const pods = [...invariants.pods];
  if (readyNodes(invariants) < nodeCount || pods.length !== deployments.length * replicas) return false;
  if (!pods.every((pod) => isPodReady(pod) && !pod.metadata.deletionTimestamp)) return false;
  return cluster.nodes.every((node) => sameSet(sandboxesOf(node), uidsOn(pods, node.name)));
}

function uidsOn(pods: readonly Pod[], node: string): Set<string> {
  return new Set(pods.filter(({ spec }) => spec.nodeName === node).map(({ metadata }) => metadata.uid));
}

function sandboxesOf(node: SimNode): Set<string> {
  return new Set([...node.engine.sandboxes.values()].map(({ spec }) => spec.pod.uid));
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}

/** No pod runs on two nodes, and no container of a pod runs twice. */
function checkEngines(cluster: SimCluster, invariants: Invariants): void {
  const where = new Map<string, string>();
  for (const node of cluster.nodes) {
    const containers = new Set<string>();
    for (const { spec, state } of node.engine.containers.values()) {
      if (state !== 'running') continue;
      const { uid, name } = spec.pod;
      const other = where.get(uid);
      if (other && other !== node.name) invariants.broken.push(`pod ${name} runs on ${other} and on ${node.name}`);
      where.set(uid, node.name);
      const id = `${uid}/${spec.name}`;
      if (containers.has(id)) invariants.broken.push(`container ${spec.name} of pod ${name} runs twice`);
      containers.add(id);
    }
  }
}
