import { withCluster, withNamespace } from '../cluster.ts';
import { drain } from '../operations/drain.ts';
import type { Command } from './command.ts';
import { nodesArgument } from './options.ts';

export const drainCommand: Command = (program, { io }) =>
  program.command(
    'drain <nodes..>',
    'Cordon nodes and evict their pods',
    (yargs) =>
      nodesArgument(withNamespace(yargs))
        .option('force', { type: 'boolean', default: false, describe: 'Also pods without a controller' })
        .option('ignore-daemonsets', {
          type: 'boolean',
          default: false,
          describe: 'Leave pods of DaemonSets',
        })
        .option('delete-emptydir-data', {
          type: 'boolean',
          default: false,
          describe: 'Also pods with emptyDir volumes',
        })
        .option('grace-period', { type: 'number', describe: "Seconds to stop, instead of the pods' own" })
        .option('timeout', { type: 'string', default: '0', describe: 'How long to wait (0: without limit)' }),
    (args) => withCluster(args, io, (cluster) => drain(cluster, args)),
  );
