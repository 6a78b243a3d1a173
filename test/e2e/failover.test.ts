import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { countByNode, whenAllAnswer } from '../../deploy/demo/web.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { canRunMachines, startCluster, type TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

/** What is promised, and the slack that a busy test machine gets. */
const promised = { noticedMs: 6_000, replacedMs: 10_000 };
const slack = 2;

describe.skipIf(!(await canRunMachines()))('a cluster that loses a machine', () => {
  let cluster: TestCluster;
  let onTheDisk: string[] = [];

  beforeAll(async () => {
    cluster = await startCluster();
    await cluster.kubectl('apply', '-f', 'deploy/examples/web.yaml');
    await whenAllAnswer(cluster.api, 6, clock, 60_000);
  });
  afterAll(() => cluster?.down());

  it('spreads six pods over three nodes, each of which answers on its own address with its own page', async () => {
    const pods = await whenAllAnswer(cluster.api, 6, clock, 10_000);
    expect([...countByNode(pods).values()]).toEqual([2, 2, 2]);
    expect(new Set(pods.map((pod) => pod.status?.podIP)).size).toBe(6);
  });

  it('notices a power cut and has the lost pods replaced elsewhere', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const name = cluster.machine(2).name;
    const lost = (await cluster.pods('app=web'))
      .filter((pod) => pod.spec?.nodeName === name)
      .map((pod) => pod.metadata.uid);
    onTheDisk = await containersOf(cluster, 2);
    const began = performance.now();
    await cluster.kill(2);
    await cluster.whenNodeIs(2, 'lost', promised.noticedMs * slack);
    const noticed = performance.now() - began;
    const pods = await whenAllAnswer(
      cluster.api,
      6,
      clock,
      promised.replacedMs * slack,
      (pod) => pod.spec?.nodeName !== name,
    );
    const replaced = performance.now() - began;
    console.log(`power cut noticed after ${Math.round(noticed)} ms, replaced after ${Math.round(replaced)} ms`);
    expect(noticed).toBeLessThan(promised.noticedMs * slack);
    expect(replaced).toBeLessThan(promised.replacedMs * slack);
    // The dead node's pods are gone for good, without anybody's hand.
    await eventually(async () => (await cluster.pods()).every((pod) => !lost.includes(pod.metadata.uid)), {
      timeoutMs: 30_000,
    });
    expect(pods.map((pod) => pod.spec?.nodeName)).not.toContain(name);
  });

  it('accepts the machine again only when nothing of its earlier state is left on it, and then gives it pods', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    await cluster.boot(2);
    await cluster.whenNodeIs(2, 'ready');
    const left = (await containersOf(cluster, 2)).filter((id) => onTheDisk.includes(id));
    expect(left).toEqual([]);
    await cluster.kubectl('scale', 'deployment/web', '--replicas=9');
    const pods = await whenAllAnswer(cluster.api, 9, clock, 60_000);
    expect(countByNode(pods).get(cluster.machine(2).name)).toBeGreaterThan(0);
    await cluster.kubectl('scale', 'deployment/web', '--replicas=6');
    await whenAllAnswer(cluster.api, 6, clock, 60_000);
  });

  it('replaces the pods of a machine that is cut off, and cleans up what ran on there once it is back', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const name = cluster.machine(3).name;
    const there = (await cluster.pods('app=web'))
      .filter((pod) => pod.spec?.nodeName === name)
      .map((pod) => pod.metadata.uid ?? '');
    expect(there.length).toBeGreaterThan(0);
    await cluster.partition(3);
    await cluster.whenNodeIs(3, 'lost', promised.noticedMs * slack);
    await whenAllAnswer(cluster.api, 6, clock, promised.replacedMs * slack, (pod) => pod.spec?.nodeName !== name);
    await cluster.heal(3);
    await cluster.whenNodeIs(3, 'ready');
    const running = JSON.stringify(await cluster.engine(3).listContainers({ all: true }));
    expect(there.filter((uid) => running.includes(uid))).toEqual([]);
    await whenAllAnswer(cluster.api, 6, clock, 30_000);
  });
});

async function containersOf(cluster: TestCluster, index: number): Promise<string[]> {
  return (await cluster.engine(index).listContainers({ all: true })).map(({ Id }) => Id);
}
