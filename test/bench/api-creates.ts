/**
 * Pods created a second over REST, against guarded puts of the same size into the same etcd.
 *
 *   npx tsx test/bench/api-creates.ts [--quick] [--profile]
 */
import { type BenchContext, runBench } from './support/bench.ts';
import { type Figure, median, number, percentile } from './support/figures.ts';
import { podBodies, podsPath } from './support/objects.ts';
import { cpuSeconds, whenQuiet } from './support/processes.ts';
import { serverProfile } from './support/profile.ts';
import { RawEtcd } from './support/raw-etcd.ts';
import { LoadClient } from './support/rest.ts';
import { type BenchServer, startServer } from './support/server.ts';

const parallel = 32;
/** Of no scheduler: what a create alone costs. Binding has its own benchmark. */
const unscheduled = { schedulerName: 'nobody' };

interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of processor time for each create. */
  readonly cpu: { readonly server: number; readonly etcd: number; readonly load: number };
}

await runBench('API creates over REST', async (context) => {
  const { quick, profile, say } = context;
  const [rounds, count] = quick ? [2, 500] : [5, 4_000];
  const profiling = profile ? serverProfile(context) : undefined;
  const server = await startServer(context, { node: profiling?.flags });
  const client = new LoadClient(server.rest, parallel);
  context.defer(() => client.close());
  const etcd = new RawEtcd(context, server.etcd);

  await client.createAll(podsPath, podBodies('warm', count / 2, unscheduled));
  const size = await etcd.sizeOf('/coracle/registry/pods/default/warm-0');
  await etcd.putAll(count / 2, size, parallel);

  const creates: Round[] = [];
  const puts: number[] = [];
  profiling?.begin();
  for (let round = 0; round < rounds; round++) {
    await whenQuiet([server.pid, server.etcdPid]);
    if (!profile) puts.push(count / (await etcd.putAll(count, size, parallel)).seconds);
    await whenQuiet([server.pid, server.etcdPid]);
    const result = await createRound(server, client, podBodies(`round-${round}`, count, unscheduled));
    creates.push(result);
    const raw = puts[round] === undefined ? '' : `, ${number(puts.at(-1) ?? 0)} puts/s`;
    say(`round ${round + 1}: ${number(result.perSecond)} creates/s${raw}`);
  }
  profiling?.end();
  await server.stop();
  for (const line of profiling?.report() ?? []) say(line);
  return figures(context, creates, puts, size);
});

async function createRound(server: BenchServer, client: LoadClient, bodies: Buffer[]): Promise<Round> {
  const used = () => ({ server: cpuSeconds(server.pid), etcd: cpuSeconds(server.etcdPid), load: ownCpuSeconds() });
  const before = used();
  const { seconds, latencies } = await client.createAll(podsPath, bodies);
  const after = used();
  const each = (who: keyof Round['cpu']): number => ((after[who] - before[who]) / bodies.length) * 1e6;
  return {
    perSecond: bodies.length / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpu: { server: each('server'), etcd: each('etcd'), load: each('load') },
  };
}

function figures({ say }: BenchContext, creates: readonly Round[], puts: readonly number[], size: number): Figure[] {
  const middle = (of: (round: Round) => number): number => median(creates.map(of));
  const perSecond = middle((round) => round.perSecond);
  const p99 = middle((round) => round.p99);
  const cpu = (['server', 'etcd', 'load'] as const).map((who) => `${who} ${number(middle((round) => round.cpu[who]))}`);
  say(`processor time of a create in µs: ${cpu.join(', ')}; a stored pod has ${number(size)} bytes`);
  const raw = median(puts);
  return [
    {
      what: `Pods created over REST, ${parallel} in parallel`,
      result: `${number(perSecond)}/s`,
      ...(puts.length > 0
        ? {
            comparedWith: `guarded etcd puts of ${number(size)} bytes, ${parallel} in parallel: ${number(raw)}/s`,
            ratio: number(perSecond / raw),
          }
        : {}),
      target: '≥ 1,000/s',
      met: perSecond >= 1_000,
    },
    {
      what: 'Latency of those creates, p50 and p99',
      result: `${number(middle((round) => round.p50))} ms, ${number(p99)} ms`,
      target: 'p99 ≤ 100 ms',
      met: p99 <= 100,
    },
  ];
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
