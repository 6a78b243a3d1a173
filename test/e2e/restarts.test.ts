import { afterAll, beforeAll, describe, expect, it, onTestFailed, onTestFinished } from 'vitest';
import { isReady } from '../../deploy/cluster/control-plane.ts';
import { type ProgramName, programPid, signalProgram } from '../../deploy/cluster/machine.ts';
import { whenAllAnswer } from '../../deploy/demo/web.ts';
import { systemClock as clock } from '../../shared/clock.ts';
import { canRunMachines, startCluster, type TestCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

describe.skipIf(!(await canRunMachines()))('a cluster whose programs are killed', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await cluster.kubectl('apply', '-f', 'deploy/examples/web.yaml');
    await whenAllAnswer(cluster.api, 6, clock, 60_000);
  });
  afterAll(() => cluster?.down());

  it('loses no pod and restarts no container when an agent is killed', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const before = await census(cluster);
    const states = watchNode(cluster, 1);
    await killAndAwait(cluster, 1, 'agent');
    await stillAtWork(cluster, 1);
    expect(await census(cluster)).toEqual(before);
    expect(await states.end()).not.toContain('lost');
  });

  it('loses no pod and restarts no container when the control plane is killed', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const before = await census(cluster);
    await killAndAwait(cluster, 0, 'server');
    for (const index of [1, 2, 3]) await cluster.whenNodeIs(index, 'ready');
    await stillAtWork(cluster, 1);
    expect(await census(cluster)).toEqual(before);
  });

  it('keeps its objects and its pods when the power of the control plane fails', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const before = await census(cluster);
    await cluster.kill(0);
    await cluster.boot(0);
    await eventually(() => cluster.api.call('GET', '/readyz'), { timeoutMs: 30_000 });
    for (const index of [1, 2, 3]) await cluster.whenNodeIs(index, 'ready');
    await stillAtWork(cluster, 2);
    expect(await census(cluster)).toEqual(before);
  });

  it('restarts no container when an engine is killed', async () => {
    onTestFailed(() => console.log(cluster.logs()));
    const before = await census(cluster);
    await killAndAwait(cluster, 3, 'engine');
    await eventually(async () => (await cluster.engine(3).ping()) !== undefined, { timeoutMs: 20_000 });
    await stillAtWork(cluster, 3);
    expect(await census(cluster)).toEqual(before);
  });
});

/** Who runs what: every pod by its uid, and every container by its id and its number of restarts. */
async function census(cluster: TestCluster): Promise<string[]> {
  const pods = await whenAllAnswer(cluster.api, 6, clock, 60_000);
  return pods
    .flatMap((pod) =>
      (pod.status?.containerStatuses ?? []).map(
        ({ name, containerID, restartCount }) =>
          `${pod.metadata.name} ${pod.metadata.uid} ${pod.spec?.nodeName} ${name} ${containerID} ${restartCount}`,
      ),
    )
    .sort();
}

async function killAndAwait(cluster: TestCluster, index: number, program: ProgramName): Promise<void> {
  const machine = cluster.machine(index);
  const before = programPid(machine, program);
  await signalProgram(machine, program, 'KILL');
  await eventually(
    () => {
      const now = programPid(machine, program);
      return now !== undefined && now !== before;
    },
    { what: `${program} did not start again` },
  );
}

/** The node runs a new pod, from its creation to its end: so its agent and the control plane are at work again. */
async function stillAtWork(cluster: TestCluster, index: number): Promise<void> {
  const name = `probe-${index}`;
  await eventually(() => cluster.apply(probe(name, cluster.machine(index).name)), { timeoutMs: 30_000, everyMs: 200 });
  await eventually(async () => (await cluster.pod(name)).status?.phase === 'Succeeded', {
    timeoutMs: 30_000,
    what: `${name} did not run`,
  });
  await cluster.kubectl('delete', 'pod', name);
}

function probe(name: string, nodeName: string): object {
  const container = { name: 'probe', image: 'coracle-demo/shell:1', command: ['true'] };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { nodeName, restartPolicy: 'Never', containers: [container] },
  };
}

/** Looks at a node until `end`, which tells what was seen. */
function watchNode(cluster: TestCluster, index: number): { end(): Promise<string[]> } {
  const seen: string[] = [];
  const ended = new AbortController();
  onTestFinished(() => ended.abort());
  const looking = (async () => {
    while (!ended.signal.aborted) {
      seen.push(isReady(await cluster.node(index)) ? 'ready' : 'lost');
      await clock.sleep(50);
    }
  })();
  // Whoever asks for the end is told; a test that failed before does not.
  looking.catch(() => undefined);
  return {
    async end() {
      ended.abort();
      await looking;
      return seen;
    },
  };
}
