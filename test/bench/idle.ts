/**
 * What the programs cost while nothing happens: resident memory and processor time of the server, its etcd and the
 * agent (on Docker, and with hollow pods), without pods and with ten; against a Node that does nothing. Needs root.
 *
 *   npx tsx test/bench/idle.ts [--quick]
 */
import { spawn } from 'node:child_process';
import { type BenchContext, pause, runBench } from './support/bench.ts';
import { runs, sleepingPod, startCluster, whenPodsAre } from './support/cluster.ts';
import { type Figure, median, megabytes, number, percent } from './support/figures.ts';
import { podsPath } from './support/objects.ts';
import { cpuSeconds, residentBytes, whenQuiet } from './support/processes.ts';
import { end } from './support/server.ts';

const manyPods = 10;
const targets: Readonly<Record<string, number>> = { server: 150e6, agent: 90e6 };

interface Idle {
  /** Bytes: the median of the last third of the time. */
  readonly resident: number;
  /** Of one core, from 0 to 1. */
  readonly cpu: number;
}

await runBench('Idle memory and processor time', async (context) => {
  const idleSeconds = context.quick ? 5 : 60;
  const real = await startCluster(context, 'docker');
  const hollow = await startCluster(context, 'fake');
  const watched = new Map([
    ['server', real.pids.server],
    ["the server's etcd", real.pids.etcd],
    ['agent on Docker', real.pids.agent],
    ['agent with hollow pods', hollow.pids.agent],
    ['Node that does nothing', idleNode(context)],
  ]);
  const without = await idle(watched, idleSeconds);
  context.say('idle without pods');
  for (const { client, image } of [real, hollow]) {
    for (let i = 0; i < manyPods; i++) await client.call('POST', podsPath, sleepingPod(`idle-${i}`, image, 1));
    await whenPodsAre(client, `${manyPods} pods run`, (pods) => pods.filter(runs).length === manyPods);
  }
  const withPods = await idle(watched, idleSeconds);
  context.say(`idle with ${manyPods} pods`);
  return [...figures('no pods', without), ...figures(`${manyPods} pods`, withPods)];
});

async function idle(watched: ReadonlyMap<string, number>, seconds: number): Promise<Map<string, Idle>> {
  await whenQuiet([...watched.values()]);
  const before = new Map([...watched].map(([name, pid]) => [name, cpuSeconds(pid)]));
  const samples = new Map([...watched].map(([name]): [string, number[]] => [name, []]));
  const began = performance.now();
  for (let second = 0; second < seconds; second++) {
    await pause(1_000);
    for (const [name, pid] of watched) samples.get(name)?.push(residentBytes(pid));
  }
  const took = (performance.now() - began) / 1000;
  return new Map(
    [...watched].map(([name, pid]): [string, Idle] => {
      const last = samples.get(name)?.slice(-Math.ceil(seconds / 3)) ?? [];
      return [name, { resident: median(last), cpu: (cpuSeconds(pid) - (before.get(name) ?? 0)) / took }];
    }),
  );
}

function figures(state: string, found: ReadonlyMap<string, Idle>): Figure[] {
  const nothing = found.get('Node that does nothing');
  if (!nothing) throw new Error('nothing to compare with');
  return [...found]
    .filter(([, one]) => one !== nothing)
    .map(([name, { resident, cpu }]) => {
      const most = targets[name.split(' ')[0] ?? ''];
      return {
        what: `Idle ${name}, ${state}`,
        result: `${megabytes(resident)}, ${percent(cpu)} of a core`,
        comparedWith: `a Node that does nothing: ${megabytes(nothing.resident)}`,
        ratio: number(resident / nothing.resident),
        ...(most ? { target: `≤ ${megabytes(most)}`, met: resident <= most } : {}),
      };
    });
}

function idleNode(context: BenchContext): number {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 60_000)'], { stdio: 'ignore' });
  context.defer(() => end(child));
  if (child.pid === undefined) throw new Error('node cannot be started');
  return child.pid;
}
