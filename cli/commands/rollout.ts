import type { Argv } from 'yargs';
import { withCluster, withNamespace } from '../cluster.ts';
import { rolloutHistory, rolloutRestart, rolloutStatus, rolloutUndo } from '../operations/rollout.ts';
import type { Command } from './command.ts';

export const rolloutCommand: Command = (program, { io }) =>
  program.command('rollout', 'Manage the rollouts of Deployments, DaemonSets and StatefulSets', (yargs) =>
    yargs
      .command(
        'status <resources..>',
        'Wait until the newest revision is rolled out',
        (of) =>
          rolloutTarget(of)
            .option('watch', {
              alias: 'w',
              type: 'boolean',
              default: true,
              describe: 'Wait until it is done (--watch=false: only print the status)',
            })
            .option('timeout', {
              type: 'string',
              default: '0',
              describe: 'How long to wait (0: until it is done or has failed)',
            }),
        (args) => withCluster(args, io, (cluster) => rolloutStatus(cluster, args)),
      )
      .command(
        'history <resources..>',
        'List the revisions',
        (of) => rolloutTarget(of).option('revision', { type: 'string', describe: 'Show this revision in full' }),
        (args) => withCluster(args, io, (cluster) => rolloutHistory(cluster, args)),
      )
      .command(
        'undo <resources..>',
        'Roll back to an earlier revision',
        (of) =>
          rolloutTarget(of).option('to-revision', {
            type: 'string',
            default: '0',
            describe: 'The revision (0: the one before)',
          }),
        (args) => withCluster(args, io, (cluster) => rolloutUndo(cluster, args)),
      )
      .command('restart <resources..>', 'Replace all pods by a rollout', rolloutTarget, (args) =>
        withCluster(args, io, (cluster) => rolloutRestart(cluster, args)),
      )
      .demandCommand(1, 'rollout status, history, undo or restart?'),
  );

function rolloutTarget<T>(yargs: Argv<T>) {
  return withNamespace(yargs).positional('resources', {
    type: 'string',
    array: true,
    demandOption: true,
    describe: 'deploy/web',
  });
}
