import { withCluster, withNamespace } from '../cluster.ts';
import { scale } from '../operations/scale.ts';
import type { Command } from './command.ts';

export const scaleCommand: Command = (program, { io }) =>
  program.command(
    'scale <resources..>',
    'Set the number of replicas',
    (yargs) =>
      withNamespace(yargs)
        .positional('resources', { type: 'string', array: true, demandOption: true, describe: 'deploy/web …' })
        .option('replicas', { type: 'number', demandOption: true, describe: 'The new number' })
        .option('current-replicas', { type: 'number', describe: 'Fail unless this is the number now' }),
    (args) => withCluster(args, io, (cluster) => scale(cluster, args)),
  );
