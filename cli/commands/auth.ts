import { withAccess, withCluster, withNamespace } from '../cluster.ts';
import { ExitError } from '../io.ts';
import { canI, whoAmI } from '../operations/auth.ts';
import type { Command } from './command.ts';
import { allNamespacesOption } from './options.ts';

export const authCommand: Command = (program, { io }) =>
  program.command('auth', 'Show who you are, and what you may do', (yargs) =>
    yargs
      .command(
        'can-i [verb] [resource] [name]',
        'Check whether you may do an action; the exit code is 1 if not',
        (of) =>
          allNamespacesOption(withNamespace(of))
            .positional('verb', { type: 'string', describe: 'get, list, create … or *' })
            .positional('resource', { type: 'string', describe: 'pods, deployments/web, or a path: /metrics' })
            .positional('name', { type: 'string', describe: 'Name of one object' })
            .option('subresource', { type: 'string', describe: 'A subresource: log, scale …' })
            .option('list', { type: 'boolean', default: false, describe: 'List all that you may do in the namespace' })
            .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Only the exit code' }),
        (args) =>
          withCluster(args, io, async (cluster) => {
            if (!(await canI(cluster, args))) throw new ExitError(1);
          }),
      )
      .command('whoami', 'Show the user that the server authenticated', withAccess, (args) =>
        withCluster(args, io, whoAmI),
      )
      .demandCommand(1, 'auth can-i or whoami?'),
  );
