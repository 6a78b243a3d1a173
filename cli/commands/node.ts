import { ignoring } from '../../shared/errors.ts';
import { removeNode } from '../../shared/pki/node-enrollments.ts';
import { withAccess, withCluster } from '../cluster.ts';
import type { Command } from './command.ts';

export const nodeCommand: Command = (program, { io }) =>
  program.command('node', 'Manage nodes', (yargs) =>
    yargs
      .command(
        'remove <name>',
        'Remove a node: its certificates are revoked, its session and streams end, and its Node is deleted',
        (of) => withAccess(of).positional('name', { type: 'string', demandOption: true, describe: 'Name of the node' }),
        (args) =>
          withCluster(args, io, async ({ client }) => {
            const enrolled = await removeNode({ ...io, client }, args.name);
            const registered = await client.delete('Node', args.name).then(() => true, ignoring('NotFound'));
            const unknown = enrolled || registered ? '' : ', of which there was neither a Node nor an enrollment';
            io.out(`node "${args.name}" removed${unknown}\n`);
          }),
      )
      .demandCommand(1, 'node remove?'),
  );
