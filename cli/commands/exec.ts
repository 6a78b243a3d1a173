import { withCluster, withNamespace } from '../cluster.ts';
import { exec } from '../streams/exec.ts';
import type { Command } from './command.ts';
import { attachOptions } from './options.ts';

export const execCommand: Command = (program, { io, words }) =>
  program.command(
    'exec <pod>',
    'Run a command in a container: exec POD -- COMMAND',
    (yargs) => attachOptions(withNamespace(yargs)),
    (args) => withCluster(args, io, (cluster) => exec(cluster, args, words)),
  );
