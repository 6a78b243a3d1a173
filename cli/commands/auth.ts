import type { Argv } from 'yargs';
import { withAccess, withCluster, withNamespace } from '../cluster.ts';
import { ExitError, type Io } from '../io.ts';
import { canI, whoAmI } from '../operations/auth.ts';

/** Questions about who one is, and what one may do. */
export function addAuthCommands(program: Argv, io: Io): Argv {
  return program.command('auth', 'Ask who you are, and what you may do', (yargs) =>
    yargs
      .command(
        'can-i [verb] [resource] [name]',
        'Ask whether you may do a thing; the exit code is 1 when not',
        (of) =>
          withNamespace(of)
            .positional('verb', { type: 'string', describe: 'get, list, create … or *' })
            .positional('resource', { type: 'string', describe: 'pods, deployments/web, or a path: /metrics' })
            .positional('name', { type: 'string', describe: 'Of one object' })
            .option('subresource', { type: 'string', describe: 'A part of it: log, scale …' })
            .option('all-namespaces', { alias: 'A', type: 'boolean', default: false, describe: 'In all namespaces' })
            .option('list', { type: 'boolean', default: false, describe: 'List all that you may do in the namespace' })
            .option('quiet', { alias: 'q', type: 'boolean', default: false, describe: 'Only the exit code' }),
        (args) =>
          withCluster(args, io, async (cluster) => {
            if (!(await canI(cluster, args))) throw new ExitError(1);
          }),
      )
      .command('whoami', 'Ask who the server takes you for', withAccess, (args) => withCluster(args, io, whoAmI))
      .demandCommand(1, 'auth can-i or whoami?'),
  );
}
