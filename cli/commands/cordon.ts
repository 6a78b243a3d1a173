import { withCluster, withNamespace } from '../cluster.ts';
import { setUnschedulable } from '../operations/drain.ts';
import type { Command } from './command.ts';
import { nodesArgument } from './options.ts';

export const cordonCommand: Command = (program, { io }) =>
  program.command(
    'cordon <nodes..>',
    'Mark nodes as unschedulable',
    (yargs) => nodesArgument(withNamespace(yargs)),
    (args) => withCluster(args, io, (cluster) => setUnschedulable(cluster, args.nodes, true)),
  );
