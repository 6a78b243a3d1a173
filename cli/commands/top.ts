import type { Argv } from 'yargs';
import { withAccess, withCluster, withNamespace } from '../cluster.ts';
import { topNodes, topPods } from '../operations/top.ts';
import type { Command } from './command.ts';
import { allNamespacesOption } from './options.ts';

export const topCommand: Command = (program, { io }) =>
  program.command('top', 'Show the resource usage of nodes and pods', (yargs) =>
    yargs
      .command(
        ['nodes [name]', 'node', 'no'],
        'The usage of nodes, and its share of the node',
        (of) => topOptions(withAccess(of)),
        (args) => withCluster(args, io, (cluster) => topNodes(cluster, args)),
      )
      .command(
        ['pods [name]', 'pod', 'po'],
        'The usage of pods',
        (of) =>
          topOptions(allNamespacesOption(withNamespace(of)))
            .option('containers', { type: 'boolean', default: false, describe: 'List each container' })
            .option('sum', { type: 'boolean', default: false, describe: 'Add a line with the sum' }),
        (args) => withCluster(args, io, (cluster) => topPods(cluster, args)),
      )
      .demandCommand(1, 'top nodes or pods?'),
  );

function topOptions<T>(yargs: Argv<T>) {
  return yargs
    .positional('name', { type: 'string', describe: 'Only this object' })
    .option('selector', { alias: 'l', type: 'string', describe: 'Label selector' })
    .option('sort-by', { choices: ['cpu', 'memory'] as const, describe: 'The largest first' })
    .option('no-headers', { type: 'boolean', default: false, describe: 'Leave out the header line' });
}
