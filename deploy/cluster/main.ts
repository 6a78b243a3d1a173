import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { systemClock } from '../../shared/clock.ts';
import { type Cluster, type ClusterDeps, down, openCluster, up } from './cluster.ts';
import { hostEngine } from './engine.ts';
import type { ClusterFile } from './state.ts';

/** `npm run cluster -- COMMAND --dir DIR`. */

const deps: ClusterDeps = { clock: systemClock, say: (line) => console.error(`cluster: ${line}`) };

await yargs(hideBin(process.argv))
  .scriptName('npm run cluster --')
  .option('dir', {
    type: 'string',
    demandOption: true,
    describe: 'where everything of the cluster lies',
    requiresArg: true,
  })
  .command(
    'up',
    'make a cluster and wait until its nodes are ready',
    (y) =>
      y
        .option('nodes', { type: 'number', default: 3, describe: 'how many nodes' })
        .option('runtime', {
          choices: ['docker', 'fake'] as const,
          default: 'docker' as const,
          describe: 'fake: hollow nodes',
        })
        .option('machine-cidr', { type: 'string', describe: "the machines' network, a /24" })
        .option('pod-cidr', { type: 'string', describe: "the pods' addresses" })
        .option('log-level', { type: 'string', default: 'info', describe: "the programs' own logs" }),
    async ({ dir, nodes, runtime, machineCidr, podCidr, logLevel }) => {
      const options = {
        dir,
        nodes,
        runtime,
        logLevel,
        ...(machineCidr ? { machineCIDR: machineCidr } : {}),
        ...(podCidr ? { podCIDR: podCidr } : {}),
      };
      print(await up(options, deps));
    },
  )
  .command('down', 'remove it, also when it came up only in part', {}, async ({ dir }) => {
    deps.say((await down(String(dir), deps)) ? 'removed' : 'nothing was there');
  })
  .command(
    'kill <node>',
    'a power cut of node K, counted from 1 (0: the control plane)',
    (y) => onNode(y),
    (argv) => act(argv, (cluster, node) => cluster.kill(node), 'is off'),
  )
  .command(
    'boot <node>',
    'power on, with the disk that it has',
    (y) => onNode(y),
    (argv) => act(argv, (cluster, node) => cluster.boot(node), 'is on'),
  )
  .command(
    'partition <node>',
    'cut the cable',
    (y) => onNode(y),
    (argv) => act(argv, (cluster, node) => cluster.partition(node), 'is cut off'),
  )
  .command(
    'heal <node>',
    'repair the cable',
    (y) => onNode(y),
    (argv) => act(argv, (cluster, node) => cluster.heal(node), 'is connected'),
  )
  .command(
    'load <image>',
    "put an image of the host's engine into every node's",
    (y) => y.positional('image', { type: 'string', demandOption: true }),
    async ({ dir, image }) => {
      const saved = hostEngine().getImage(image);
      await openCluster(dir, deps).load(() => saved.get());
      deps.say(`${image} is on every node`);
    },
  )
  .demandCommand(1, 'which command?')
  .strict()
  .fail((message, error, y) => {
    if (error === undefined || error === null) y.showHelp();
    console.error(`cluster: ${error?.message ?? message}`);
    process.exit(1);
  })
  .parseAsync();

function onNode<T>(y: Argv<T>): Argv<T & { node: number }> {
  return y.positional('node', { type: 'number', demandOption: true, describe: 'counted from 1' }) as Argv<
    T & { node: number }
  >;
}

async function act(
  { dir, node }: { dir: string; node: number },
  action: (cluster: Cluster, node: number) => Promise<void>,
  done: string,
): Promise<void> {
  const cluster = openCluster(dir, deps);
  await action(cluster, node);
  deps.say(`${cluster.machine(node).name} ${done}`);
}

/** Prints how to use the cluster, on standard output. */
function print(cluster: ClusterFile): void {
  console.log(
    [
      `REST        ${cluster.rest}`,
      `gRPC        ${cluster.grpc}`,
      `kubeconfig  ${cluster.kubeconfig}`,
      `files       ${cluster.plan.dir}/cluster.json`,
      ...cluster.nodes.map(
        ({ name, address, engine }) => `${name.padEnd(11)} ${address}${engine ? `  ${engine}` : ''}`,
      ),
    ].join('\n'),
  );
}
