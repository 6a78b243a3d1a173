import type { Argv } from 'yargs';

/** Manifests: -f, -R. */
export function filesOption<T>(yargs: Argv<T>, required = true) {
  return yargs
    .option('filename', {
      alias: 'f',
      type: 'string',
      array: true,
      demandOption: required,
      describe: 'Files, directories, or - for standard input',
    })
    .option('recursive', { alias: 'R', type: 'boolean', default: false, describe: 'Include subdirectories' });
}

export function allNamespacesOption<T>(yargs: Argv<T>) {
  return yargs.option('all-namespaces', { alias: 'A', type: 'boolean', default: false, describe: 'In all namespaces' });
}

export function podArgument<T>(yargs: Argv<T>) {
  return yargs.positional('pod', { type: 'string', demandOption: true, describe: 'POD, pod/POD or deploy/NAME' });
}

/** Streams to and from a process: -i, -t. */
export function streamOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('stdin', { alias: 'i', type: 'boolean', default: false, describe: 'Pass standard input to the container' })
    .option('tty', { alias: 't', type: 'boolean', default: false, describe: 'Allocate a terminal' });
}

/** Streams to and from a container that is running. */
export function attachOptions<T>(yargs: Argv<T>) {
  return streamOptions(podArgument(yargs)).option('container', {
    alias: 'c',
    type: 'string',
    describe: 'Name of the container',
  });
}

/** Streams to and from a container that the command creates. */
export function newContainerOptions<T>(yargs: Argv<T>) {
  return streamOptions(yargs)
    .option('image', { type: 'string', demandOption: true, describe: 'The image to run' })
    .option('image-pull-policy', {
      choices: ['Always', 'IfNotPresent', 'Never'] as const,
      describe: 'When to pull it',
    })
    .option('attach', { type: 'boolean', describe: 'Attach to the container (default: with -i)' })
    .option('pod-running-timeout', { type: 'string', default: '1m', describe: 'How long to wait until it runs' });
}

export function nodesArgument<T>(yargs: Argv<T>) {
  return yargs.positional('nodes', { type: 'string', array: true, demandOption: true, describe: 'Names of nodes' });
}
