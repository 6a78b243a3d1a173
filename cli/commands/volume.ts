import { withCluster, withNamespace } from '../cluster.ts';
import { listVolumes } from '../operations/volumes.ts';
import type { Command } from './command.ts';
import { allNamespacesOption } from './options.ts';

export const volumeCommand: Command = (program, { io }) =>
  program.command('volume', 'Show where the data of claims lies', (yargs) =>
    yargs
      .command(
        'ls',
        'The claims with their volumes: node, path, size, and the pods that use them',
        (of) => allNamespacesOption(withNamespace(of)),
        (args) => withCluster(args, io, (cluster) => listVolumes(cluster, args)),
      )
      .demandCommand(1, 'volume ls?'),
  );
