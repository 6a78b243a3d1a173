/**
 * From the spawn of `coracle server` to the first 200 of `/readyz`: on an empty directory and with 10,000 pods stored,
 * against the start of an etcd alone on the same data.
 *
 *   npx tsx test/bench/cold-start.ts [--quick]
 */
import { spawn } from 'node:child_process';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EtcdProcess } from '../../control-plane/store/etcd/process.ts';
import { systemClock } from '../../shared/clock.ts';
import { silentLog } from '../../shared/log.ts';
import { systemRandom } from '../../shared/random.ts';
import { type BenchContext, runBench } from './support/bench.ts';
import { type Figure, median, number } from './support/figures.ts';
import { podBodies, podsPath } from './support/objects.ts';
import { LoadClient } from './support/rest.ts';
import { startServer } from './support/server.ts';

interface Starts {
  readonly server: number[];
  readonly etcd: number[];
}

await runBench('Cold start of the server', async (context) => {
  const { quick, say } = context;
  const [starts, pods] = quick ? [2, 500] : [7, 10_000];
  // The first start reads the programs from the disk: it is no part of the figures.
  await measure(context, 1);
  const empty = await measure(context, starts);
  say(`empty: ${empty.server.map(number).join(', ')} ms`);
  const stored = await storePods(context, pods);
  const full = await measure(context, starts, stored);
  say(`with ${number(pods)} pods: ${full.server.map(number).join(', ')} ms`);
  return [figure('empty', empty, true), figure(`with ${number(pods)} pods stored`, full, false)];
});

/** Starts server and etcd in turn, each on a fresh copy of the data, if there is any. */
async function measure(context: BenchContext, times: number, data?: string): Promise<Starts> {
  const starts: Starts = { server: [], etcd: [] };
  for (let i = 0; i < times; i++) {
    const dataDir = context.directory();
    if (data) await cp(data, dataDir, { recursive: true });
    const server = await startServer(context, { dataDir });
    starts.server.push(server.readyMs);
    await server.stop();
    await rm(dataDir, { recursive: true });
    starts.etcd.push(await startEtcdAlone(context, data));
  }
  return starts;
}

async function startEtcdAlone(context: BenchContext, data?: string): Promise<number> {
  const dataDir = context.directory();
  if (data) await cp(join(data, 'etcd', 'data'), join(dataDir, 'etcd', 'data'), { recursive: true });
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  const etcd = new EtcdProcess({ dataDir, spawn, ...deps });
  context.defer(() => etcd.stop());
  const began = performance.now();
  await etcd.start(AbortSignal.timeout(60_000));
  const took = performance.now() - began;
  await etcd.stop();
  await rm(dataDir, { recursive: true });
  return took;
}

/** A data directory that a server filled and then left in order. */
async function storePods(context: BenchContext, pods: number): Promise<string> {
  const server = await startServer(context);
  const client = new LoadClient(server.rest, 32);
  try {
    await client.createAll(podsPath, podBodies('pod', pods, { schedulerName: 'nobody' }));
  } finally {
    client.close();
  }
  await server.stop();
  return server.dataDir;
}

function figure(what: string, { server, etcd }: Starts, hasTarget: boolean): Figure {
  const [ours, alone] = [median(server), median(etcd)];
  return {
    what: `Cold start to ready, ${what}`,
    result: `${number(ours)} ms`,
    comparedWith: `start of an etcd alone: ${number(alone)} ms`,
    ratio: number(ours / alone),
    ...(hasTarget ? { target: '≤ 2,000 ms', met: ours <= 2_000 } : {}),
  };
}
