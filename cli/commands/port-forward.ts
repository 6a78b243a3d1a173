import { withCluster, withNamespace } from '../cluster.ts';
import { portForward } from '../streams/port-forward.ts';
import type { Command } from './command.ts';
import { podArgument } from './options.ts';

export const portForwardCommand: Command = (program, { io }) =>
  program.command(
    'port-forward <pod> <ports..>',
    'Forward ports of this machine to a pod',
    (yargs) =>
      podArgument(withNamespace(yargs))
        .positional('ports', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'LOCAL:REMOTE, PORT for the same on both sides, :REMOTE for any free port',
        })
        .option('address', { type: 'string', default: 'localhost', describe: 'The address to listen on' }),
    (args) => withCluster(args, io, (cluster) => portForward(cluster, args)),
  );
