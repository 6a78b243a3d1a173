import type { Argv } from 'yargs';
import { withCluster, withNamespace } from '../cluster.ts';
import type { Io } from '../io.ts';
import { copy } from '../streams/copy.ts';
import { debug } from '../streams/debug.ts';
import { attach, exec } from '../streams/exec.ts';
import { portForward } from '../streams/port-forward.ts';
import { run } from '../streams/run.ts';

/** Commands that take part in what runs in pods. `words`: what follows `--`, for a program in a container. */
export function addStreamCommands(program: Argv, io: Io, words: readonly string[]): Argv {
  return program
    .command(
      'exec <pod>',
      'Run a command in a container: exec POD -- COMMAND',
      (yargs) => joinOptions(podArgument(withNamespace(yargs))),
      (args) => withCluster(args, io, (cluster) => exec(cluster, args, words)),
    )
    .command(
      'attach <pod>',
      'Join the process that runs in a container',
      (yargs) => joinOptions(podArgument(withNamespace(yargs))),
      (args) => withCluster(args, io, (cluster) => attach(cluster, args)),
    )
    .command(
      'port-forward <pod> <ports..>',
      "Reach a pod's ports from this machine",
      (yargs) =>
        podArgument(withNamespace(yargs))
          .positional('ports', {
            type: 'string',
            array: true,
            demandOption: true,
            describe: 'LOCAL:REMOTE, PORT for the same on both sides, :REMOTE for any that is free',
          })
          .option('address', { type: 'string', default: 'localhost', describe: 'Where to listen' }),
      (args) => withCluster(args, io, (cluster) => portForward(cluster, args)),
    )
    .command(
      'cp <source> <target>',
      'Copy files into a pod or out of one: POD:PATH names the side in the pod',
      (yargs) =>
        withNamespace(yargs)
          .positional('source', { type: 'string', demandOption: true, describe: 'A path, or POD:PATH' })
          .positional('target', { type: 'string', demandOption: true, describe: 'POD:PATH, or a path' })
          .option('container', { alias: 'c', type: 'string', describe: 'Which container' })
          .option('no-preserve', { type: 'boolean', default: false, describe: 'Leave owners and permissions aside' }),
      (args) => withCluster(args, io, (cluster) => copy(cluster, args)),
    )
    .command(
      'run <name>',
      'Run one pod: run NAME --image IMAGE -- ARGUMENTS',
      (yargs) =>
        takePartOptions(withNamespace(yargs))
          .positional('name', { type: 'string', demandOption: true, describe: 'Name of the pod' })
          .option('rm', { type: 'boolean', default: false, describe: 'Delete the pod when it has ended' })
          .option('restart', {
            choices: ['Always', 'OnFailure', 'Never'] as const,
            default: 'Always' as const,
            describe: 'When its container is started again',
          })
          .option('env', { type: 'string', array: true, default: [] as string[], describe: 'NAME=VALUE' })
          .option('labels', { type: 'string', describe: 'KEY=VALUE,…' })
          .option('port', { type: 'number', describe: 'The port it listens on' })
          .option('command', { type: 'boolean', default: false, describe: 'ARGUMENTS are the command itself' }),
      (args) => withCluster(args, io, (cluster) => run(cluster, args, words)),
    )
    .command(
      'debug <pod>',
      'Look around in a pod with a container of its own: debug POD --image IMAGE -- COMMAND',
      (yargs) =>
        takePartOptions(podArgument(withNamespace(yargs)))
          .option('container', { alias: 'c', type: 'string', describe: 'Name for the new container' })
          .option('target', { type: 'string', describe: 'The container whose processes it is to see' })
          .option('copy-to', { type: 'string', describe: 'Leave the pod alone: look around in a copy of this name' })
          .option('share-processes', { type: 'boolean', default: true, describe: 'With --copy-to: see all processes' }),
      (args) => withCluster(args, io, (cluster) => debug(cluster, args, words)),
    );
}

function podArgument<T>(yargs: Argv<T>) {
  return yargs.positional('pod', { type: 'string', demandOption: true, describe: 'POD, pod/POD or deploy/NAME' });
}

function streamOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('stdin', { alias: 'i', type: 'boolean', default: false, describe: 'Hand on the standard input' })
    .option('tty', { alias: 't', type: 'boolean', default: false, describe: 'As a terminal' });
}

function joinOptions<T>(yargs: Argv<T>) {
  return streamOptions(yargs).option('container', { alias: 'c', type: 'string', describe: 'Which container' });
}

function takePartOptions<T>(yargs: Argv<T>) {
  return streamOptions(yargs)
    .option('image', { type: 'string', demandOption: true, describe: 'The image to run' })
    .option('image-pull-policy', {
      choices: ['Always', 'IfNotPresent', 'Never'] as const,
      describe: 'When to pull it',
    })
    .option('attach', { type: 'boolean', describe: 'Join it (default: with -i)' })
    .option('pod-running-timeout', { type: 'string', default: '1m', describe: 'How long to wait for it to run' });
}
