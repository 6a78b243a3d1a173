import { withCluster, withNamespace } from '../cluster.ts';
import { showLogs } from '../operations/logs.ts';
import type { Command } from './command.ts';

export const logsCommand: Command = (program, { io }) =>
  program.command(
    'logs [pod]',
    "Print a container's log",
    (yargs) =>
      withNamespace(yargs)
        .positional('pod', { type: 'string', describe: 'POD, pod/POD or deploy/NAME' })
        .option('selector', { alias: 'l', type: 'string', describe: 'Label selector of the pods' })
        .option('container', { alias: 'c', type: 'string', describe: 'Name of the container' })
        .option('all-containers', { type: 'boolean', default: false, describe: 'Of all containers' })
        .option('prefix', { type: 'boolean', default: false, describe: 'Prefix each line with pod and container' })
        .option('max-log-requests', { type: 'number', default: 5, describe: 'The most logs to follow at once' })
        .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Follow the log' })
        .option('previous', {
          alias: 'p',
          type: 'boolean',
          default: false,
          describe: 'Of the container before its last restart',
        })
        .option('tail', { type: 'number', describe: 'Only the last lines' })
        .option('since', { type: 'string', describe: 'Only the last 5s, 10m, 1h …' })
        .option('since-time', { type: 'string', describe: 'Only from this time on (RFC 3339)' })
        .option('limit-bytes', { type: 'number', describe: 'At most so many bytes' })
        .option('timestamps', { type: 'boolean', default: false, describe: 'With the time of each line' }),
    (args) => withCluster(args, io, (cluster) => showLogs(cluster, args)),
  );
