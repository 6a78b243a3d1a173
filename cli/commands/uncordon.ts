import { withCluster, withNamespace } from '../cluster.ts';
import { setUnschedulable } from '../operations/drain.ts';
import type { Command } from './command.ts';
import { nodesArgument } from './options.ts';

export const uncordonCommand: Command = (program, { io }) =>
  program.command(
    'uncordon <nodes..>',
    'Mark nodes as schedulable',
    (yargs) => nodesArgument(withNamespace(yargs)),
    (args) => withCluster(args, io, (cluster) => setUnschedulable(cluster, args.nodes, false)),
  );
