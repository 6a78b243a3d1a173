import { withCluster, withNamespace } from '../cluster.ts';
import { why } from '../why/why.ts';
import type { Command } from './command.ts';

export const whyCommand: Command = (program, { io }) =>
  program.command(
    'why <pod>',
    'Explain why a pod is on its node, or why it is on none',
    (yargs) => withNamespace(yargs).positional('pod', { type: 'string', demandOption: true }),
    (args) => withCluster(args, io, (cluster) => why(cluster, args.pod)),
  );
