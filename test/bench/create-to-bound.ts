/**
 * Pods a second from the first create to the last pod bound, on 100 and on 1,000 hollow nodes: two servers in one run,
 * measured in turn.
 *
 *   npx tsx test/bench/create-to-bound.ts [--quick] [--profile]
 */
import { type BenchContext, pause, runBench } from './support/bench.ts';
import { type Figure, median, megabytes, number, percent } from './support/figures.ts';
import { addHollowNodes } from './support/hollow-nodes.ts';
import { podBodies, podsPath } from './support/objects.ts';
import { cpuSeconds, residentBytes, whenQuiet } from './support/processes.ts';
import { type ServerProfile, serverProfile } from './support/profile.ts';
import { LoadClient } from './support/rest.ts';
import { type BenchServer, startServer } from './support/server.ts';

const parallel = 32;
const boundLimitMs = 120_000;

interface Subject {
  readonly nodes: number;
  readonly server: BenchServer;
  readonly client: LoadClient;
  readonly profiling: ServerProfile | undefined;
  readonly perSecond: number[];
  readonly cpuMicros: number[];
}

await runBench('Create to bound on hollow nodes', async (context) => {
  const { quick, profile, say } = context;
  const [rounds, count] = quick ? [1, 300] : [3, 2_500];
  const subjects: Subject[] = [];
  for (const nodes of quick ? [20, 200] : [100, 1_000]) {
    const subject = await prepare(context, nodes, profile);
    subjects.push(subject);
    await createAndBind(subject, 'warm', Math.round(count / 3));
    say(`${nodes} hollow nodes are ready`);
  }
  for (const { profiling } of subjects) profiling?.begin();
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) {
      await whenQuiet(subjects.flatMap(({ server }) => [server.pid, server.etcdPid]));
      const before = cpuSeconds(subject.server.pid);
      const { seconds, creating } = await createAndBind(subject, `round-${round}`, count);
      const micros = ((cpuSeconds(subject.server.pid) - before) / count) * 1e6;
      subject.perSecond.push(count / seconds);
      subject.cpuMicros.push(micros);
      const rates = `${number(count / seconds)} pods/s bound, ${number(count / creating)} created`;
      say(`round ${round + 1}, ${subject.nodes} nodes: ${rates}, ${number(micros)} µs of the server's processor each`);
    }
  }
  for (const { nodes, server, profiling } of subjects) {
    profiling?.end();
    say(`${nodes} nodes: the server has ${megabytes(residentBytes(server.pid))} at the end`);
    await server.stop();
    for (const line of profiling?.report() ?? []) say(line);
  }
  return figures(subjects);
});

async function prepare(context: BenchContext, nodes: number, profile: boolean): Promise<Subject> {
  const profiling = profile ? serverProfile(context) : undefined;
  const server = await startServer(context, { node: profiling?.flags });
  const client = new LoadClient(server.rest, parallel);
  context.defer(() => client.close());
  await addHollowNodes(client, nodes);
  return { nodes, server, client, profiling, perSecond: [], cpuMicros: [] };
}

/** `seconds`: to the last pod bound, as one watch sees it; `creating`: to the last create answered. */
async function createAndBind(
  { client }: Subject,
  prefix: string,
  count: number,
): Promise<{ seconds: number; creating: number }> {
  const bodies = podBodies(prefix, count);
  const { metadata } = await client.call<{ metadata: { resourceVersion: string } }>('GET', `${podsPath}?limit=1`);
  const bound = new Set<string>();
  const watching = client.watch(podsPath, metadata.resourceVersion, (line) => {
    // Parsing would cost as much as serving does.
    if (line.includes('"nodeName":"')) bound.add(/"name":"([^"]+)"/.exec(line)?.[1] ?? '');
    return bound.size >= count;
  });
  watching.catch(() => undefined);
  const began = performance.now();
  const created = client.createAll(podsPath, bodies);
  const limit = new AbortController();
  const ended = await Promise.race([
    Promise.all([watching, created]),
    tooLate(() => `${bound.size} of ${count} pods are bound after ${boundLimitMs / 1000} s`, limit.signal),
  ]).finally(() => limit.abort());
  return { seconds: (ended[0] - began) / 1000, creating: ended[1].seconds };
}

async function tooLate(why: () => string, done: AbortSignal): Promise<never> {
  const end = performance.now() + boundLimitMs;
  while (performance.now() < end && !done.aborted) await pause(100);
  throw new Error(why());
}

function figures(subjects: readonly Subject[]): Figure[] {
  const [few, many] = subjects;
  if (!few || !many) throw new Error('two sizes are compared');
  const [fewRate, manyRate] = [median(few.perSecond), median(many.perSecond)];
  return [
    {
      what: `Pods created and bound on ${number(few.nodes)} nodes`,
      result: `${number(fewRate)}/s`,
      target: '≥ 600/s',
      met: fewRate >= 600,
    },
    {
      what: `Pods created and bound on ${number(many.nodes)} nodes`,
      result: `${number(manyRate)}/s`,
      comparedWith: `on ${number(few.nodes)} nodes: ${number(fewRate)}/s`,
      ratio: percent(manyRate / fewRate),
      target: `≥ 80 % of that on ${number(few.nodes)}`,
      met: manyRate >= 0.8 * fewRate,
    },
  ];
}
