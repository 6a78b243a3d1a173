/**
 * What a long transfer through exec costs: 1 GiB out of a pod and 1 GiB into one with kubectl, over WebSocket and over SPDY; how fast,
 * and how much the server's and the agent's memory grew meanwhile. Compared with `docker exec` on the node's engine. Needs root and kubectl.
 *
 *   npx tsx test/bench/streams.ts [--quick]
 */
import { spawn } from 'node:child_process';
import { kubectlProgram } from '../support/kubectl-program.ts';
import { type BenchContext, runBench, until } from './support/bench.ts';
import { runs, sleepingPod, startCluster, whenPodsAre } from './support/cluster.ts';
import { type Figure, megabytes, number } from './support/figures.ts';
import { podsPath } from './support/objects.ts';
import { residentBytes, whenQuiet } from './support/processes.ts';

/** Each of the programs may grow by so many bytes, however much is carried. */
const mostGrowth = 128e6;
const transferLimitMs = 5 * 60_000;
const sampleMs = 50;

interface Transfer {
  readonly seconds: number;
  /** Bytes: how far the resident memory rose above what it was before. */
  readonly grown: { readonly server: number; readonly agent: number };
}

await runBench('Transfers through exec', async (context) => {
  const bytes = context.quick ? 64 * 2 ** 20 : 2 ** 30;
  const { cluster, client, pids, image } = await startCluster(context, 'docker');
  await client.call('POST', podsPath, sleepingPod('streams', image, 1));
  await whenPodsAre(client, 'the pod runs', (pods) => pods.length === 1 && pods.every(runs));
  const { kubeconfig, nodes } = cluster.file;
  const ways: [string, NodeJS.ProcessEnv][] = [
    ['WebSocket', {}],
    ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }],
  ];
  const kubectl = [kubectlProgram, `--kubeconfig=${kubeconfig}`, 'exec', '-i', 'streams', '--'];
  const out = `head -c ${bytes} /dev/zero`;
  const into = 'cat > /dev/null';
  const feed = (command: readonly string[]): string => `${out} | ${command.map(quoted).join(' ')}`;

  const engine = nodes.find((node) => node.engine)?.engine ?? '';
  const container = await containerOf(engine);
  const docker = ['docker', '-H', `unix://${engine}`, 'exec', '-i', container];
  const plain = {
    out: await transfer(context, pids, [...docker, 'sh', '-c', out], {}),
    into: await transfer(context, pids, ['sh', '-c', feed([...docker, 'sh', '-c', into])], {}),
  };
  const figures: Figure[] = [];
  for (const [way, env] of ways) {
    const of = async (direction: 'out' | 'into', command: readonly string[]): Promise<void> => {
      const took = await transfer(context, pids, command, env);
      const compared = plain[direction];
      const { server, agent } = took.grown;
      context.say(`${direction} over ${way}: ${number(took.seconds)} s`);
      figures.push({
        what: `${megabytes(bytes)} ${direction === 'out' ? 'out of' : 'into'} a pod, kubectl exec over ${way}`,
        result: `${megabytes(bytes / took.seconds)}/s; server +${megabytes(server)}, agent +${megabytes(agent)}`,
        comparedWith: `docker exec: ${megabytes(bytes / compared.seconds)}/s`,
        ratio: number(compared.seconds / took.seconds),
        target: `each ≤ +${megabytes(mostGrowth)}`,
        met: Math.max(server, agent) <= mostGrowth,
      });
    };
    await of('out', [...kubectl, 'sh', '-c', out]);
    await of('into', ['sh', '-c', feed([...kubectl, 'sh', '-c', into])]);
  }
  return figures;
});

async function transfer(
  context: BenchContext,
  pids: { readonly server: number; readonly agent: number },
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Transfer> {
  await whenQuiet([pids.server, pids.agent]);
  const before = { server: residentBytes(pids.server), agent: residentBytes(pids.agent) };
  const grown = { server: 0, agent: 0 };
  const began = performance.now();
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  let code: number | null | undefined;
  child.once('exit', (ended) => {
    code = ended;
  });
  context.defer(() => void child.kill('SIGKILL'));
  await until(
    'the transfer',
    () => {
      for (const name of ['server', 'agent'] as const) {
        grown[name] = Math.max(grown[name], residentBytes(pids[name]) - before[name]);
      }
      return code !== undefined;
    },
    { timeoutMs: transferLimitMs, everyMs: sampleMs },
  );
  if (code !== 0) throw new Error(`${command.join(' ')}: exited with ${code}`);
  return { seconds: (performance.now() - began) / 1000, grown };
}

/** The id of the pod's container: the engine has no other that runs the pod's command. */
async function containerOf(engine: string): Promise<string> {
  const child = spawn('docker', ['-H', `unix://${engine}`, 'ps', '--no-trunc', '--format', '{{.ID}} {{.Command}}']);
  let text = '';
  child.stdout.on('data', (data) => {
    text += data;
  });
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  const line = text.split('\n').find((each) => each.includes('sleep 86400'));
  const [id] = line?.split(' ') ?? [];
  if (!id) throw new Error(`the pod's container is not among: ${text}`);
  return id;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
