import { withCluster, withNamespace } from '../cluster.ts';
import { debug } from '../streams/debug.ts';
import type { Command } from './command.ts';
import { newContainerOptions, podArgument } from './options.ts';

export const debugCommand: Command = (program, { io, words }) =>
  program.command(
    'debug <pod>',
    'Debug a pod with an ephemeral container: debug POD --image IMAGE -- COMMAND',
    (yargs) =>
      newContainerOptions(podArgument(withNamespace(yargs)))
        .option('container', { alias: 'c', type: 'string', describe: 'Name of the new container' })
        .option('target', { type: 'string', describe: 'The container whose processes it sees' })
        .option('copy-to', { type: 'string', describe: 'Debug a copy of the pod with this name' })
        .option('share-processes', {
          type: 'boolean',
          default: true,
          describe: 'With --copy-to: share the process namespace',
        }),
    (args) => withCluster(args, io, (cluster) => debug(cluster, args, words)),
  );
