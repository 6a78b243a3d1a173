import { withCluster, withNamespace } from '../cluster.ts';
import { run } from '../streams/run.ts';
import type { Command } from './command.ts';
import { newContainerOptions } from './options.ts';

export const runCommand: Command = (program, { io, words }) =>
  program.command(
    'run <name>',
    'Run one pod: run NAME --image IMAGE -- ARGUMENTS',
    (yargs) =>
      newContainerOptions(withNamespace(yargs))
        .positional('name', { type: 'string', demandOption: true, describe: 'Name of the pod' })
        .option('rm', { type: 'boolean', default: false, describe: 'Delete the pod when it has ended' })
        .option('restart', {
          choices: ['Always', 'OnFailure', 'Never'] as const,
          default: 'Always' as const,
          describe: 'The restart policy',
        })
        .option('env', { type: 'string', array: true, default: [] as string[], describe: 'NAME=VALUE' })
        .option('labels', { type: 'string', describe: 'KEY=VALUE,…' })
        .option('port', { type: 'number', describe: 'The port that it listens on' })
        .option('command', { type: 'boolean', default: false, describe: 'ARGUMENTS are the command itself' }),
    (args) => withCluster(args, io, (cluster) => run(cluster, args, words)),
  );
