import { withCluster, withNamespace } from '../cluster.ts';
import { attach } from '../streams/exec.ts';
import type { Command } from './command.ts';
import { attachOptions } from './options.ts';

export const attachCommand: Command = (program, { io }) =>
  program.command(
    'attach <pod>',
    'Attach to the process of a container',
    (yargs) => attachOptions(withNamespace(yargs)),
    (args) => withCluster(args, io, (cluster) => attach(cluster, args)),
  );
