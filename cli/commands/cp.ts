import { withCluster, withNamespace } from '../cluster.ts';
import { copy } from '../streams/copy.ts';
import type { Command } from './command.ts';

export const cpCommand: Command = (program, { io }) =>
  program.command(
    'cp <source> <target>',
    'Copy files to or from a pod: POD:PATH is the path in the pod',
    (yargs) =>
      withNamespace(yargs)
        .positional('source', { type: 'string', demandOption: true, describe: 'A path, or POD:PATH' })
        .positional('target', { type: 'string', demandOption: true, describe: 'POD:PATH, or a path' })
        .option('container', { alias: 'c', type: 'string', describe: 'Name of the container' })
        .option('no-preserve', { type: 'boolean', default: false, describe: 'Do not keep owners and permissions' }),
    (args) => withCluster(args, io, (cluster) => copy(cluster, args)),
  );
