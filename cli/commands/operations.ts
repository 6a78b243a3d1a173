import type { Argv } from 'yargs';
import { withAccess, withCluster, withNamespace } from '../cluster.ts';
import type { Io } from '../io.ts';
import { drain, setUnschedulable } from '../operations/drain.ts';
import { showEvents } from '../operations/events.ts';
import { showLogs } from '../operations/logs.ts';
import { rolloutHistory, rolloutRestart, rolloutStatus, rolloutUndo } from '../operations/rollout.ts';
import { scale } from '../operations/scale.ts';
import { topNodes, topPods } from '../operations/top.ts';
import { why } from '../why/why.ts';

/** Commands that run things: logs, scaling, rollouts, nodes, and questions. */
export function addOperationCommands(program: Argv, io: Io): Argv {
  return program
    .command(
      'logs [pod]',
      "Print a container's log",
      (yargs) =>
        withNamespace(yargs)
          .positional('pod', { type: 'string', describe: 'POD, pod/POD or deploy/NAME' })
          .option('selector', { alias: 'l', type: 'string', describe: 'Of the pods with these labels' })
          .option('container', { alias: 'c', type: 'string', describe: 'Which container' })
          .option('all-containers', { type: 'boolean', default: false, describe: 'Of all of them' })
          .option('prefix', { type: 'boolean', default: false, describe: 'Each line with where it is from' })
          .option('max-log-requests', { type: 'number', default: 5, describe: 'The most logs to follow at once' })
          .option('follow', { alias: 'f', type: 'boolean', default: false, describe: 'Go on as it grows' })
          .option('previous', {
            alias: 'p',
            type: 'boolean',
            default: false,
            describe: 'Of the container before the last restart',
          })
          .option('tail', { type: 'number', describe: 'Only the last lines' })
          .option('since', { type: 'string', describe: 'Only the last 5s, 10m, 1h …' })
          .option('since-time', { type: 'string', describe: 'Only from this time on (RFC 3339)' })
          .option('limit-bytes', { type: 'number', describe: 'At most so many bytes' })
          .option('timestamps', { type: 'boolean', default: false, describe: 'With the time of each line' }),
      (args) => withCluster(args, io, (cluster) => showLogs(cluster, args)),
    )
    .command(
      'scale <resources..>',
      'Set how many replicas there are to be',
      (yargs) =>
        withNamespace(yargs)
          .positional('resources', { type: 'string', array: true, demandOption: true, describe: 'deploy/web …' })
          .option('replicas', { type: 'number', demandOption: true, describe: 'How many' })
          .option('current-replicas', { type: 'number', describe: 'Only when there are so many now' }),
      (args) => withCluster(args, io, (cluster) => scale(cluster, args)),
    )
    .command('rollout', 'Follow and steer how a Deployment changes', (yargs) =>
      yargs
        .command(
          'status <resources..>',
          'Wait until the newest version is out',
          (of) =>
            rolloutTarget(of)
              .option('watch', {
                alias: 'w',
                type: 'boolean',
                default: true,
                describe: 'Until it is done (--watch=false: only now)',
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
          'List the versions there were',
          (of) => rolloutTarget(of).option('revision', { type: 'string', describe: 'Show this one in full' }),
          (args) => withCluster(args, io, (cluster) => rolloutHistory(cluster, args)),
        )
        .command(
          'undo <resources..>',
          'Go back to an earlier version',
          (of) =>
            rolloutTarget(of).option('to-revision', {
              type: 'string',
              default: '0',
              describe: 'Which (0: the one before)',
            }),
          (args) => withCluster(args, io, (cluster) => rolloutUndo(cluster, args)),
        )
        .command('restart <resources..>', 'Replace all pods, gently', rolloutTarget, (args) =>
          withCluster(args, io, (cluster) => rolloutRestart(cluster, args)),
        )
        .demandCommand(1, 'rollout status, history, undo or restart?'),
    )
    .command('cordon <nodes..>', 'Place no more pods on nodes', nodesTarget, (args) =>
      withCluster(args, io, (cluster) => setUnschedulable(cluster, args.nodes, true)),
    )
    .command('uncordon <nodes..>', 'Place pods on nodes again', nodesTarget, (args) =>
      withCluster(args, io, (cluster) => setUnschedulable(cluster, args.nodes, false)),
    )
    .command(
      'drain <nodes..>',
      'Cordon nodes and move their pods away',
      (yargs) =>
        nodesTarget(yargs)
          .option('force', { type: 'boolean', default: false, describe: 'Also pods that nobody will make again' })
          .option('ignore-daemonsets', {
            type: 'boolean',
            default: false,
            describe: 'Leave pods that belong to the node',
          })
          .option('delete-emptydir-data', {
            type: 'boolean',
            default: false,
            describe: 'Also pods that keep data on the node',
          })
          .option('grace-period', { type: 'number', describe: "Seconds to stop, instead of the pods' own" })
          .option('timeout', { type: 'string', default: '0', describe: 'How long to wait (0: for ever)' }),
      (args) => withCluster(args, io, (cluster) => drain(cluster, args)),
    )
    .command(
      'events',
      'Show what happened, the newest last',
      (yargs) =>
        withNamespace(yargs)
          .option('all-namespaces', { alias: 'A', type: 'boolean', default: false, describe: 'In all namespaces' })
          .option('for', { type: 'string', describe: 'Only of one object: pod/web' })
          .option('types', { type: 'string', describe: 'Only Normal or Warning' })
          .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Go on with what happens' }),
      (args) => withCluster(args, io, (cluster) => showEvents(cluster, args)),
    )
    .command('top', 'Show what nodes and pods use', (yargs) =>
      yargs
        .command(
          ['nodes [name]', 'node', 'no'],
          'What nodes use, and how much of them that is',
          (of) => topOptions(withAccess(of)),
          (args) => withCluster(args, io, (cluster) => topNodes(cluster, args)),
        )
        .command(
          ['pods [name]', 'pod', 'po'],
          'What pods use',
          (of) =>
            topOptions(withNamespace(of))
              .option('all-namespaces', { alias: 'A', type: 'boolean', default: false, describe: 'In all namespaces' })
              .option('containers', { type: 'boolean', default: false, describe: 'Each container by itself' })
              .option('sum', { type: 'boolean', default: false, describe: 'And all of them together' }),
          (args) => withCluster(args, io, (cluster) => topPods(cluster, args)),
        )
        .demandCommand(1, 'top nodes or pods?'),
    )
    .command(
      'why <pod>',
      'Why a pod is where it is, or why it waits',
      (yargs) => withNamespace(yargs).positional('pod', { type: 'string', demandOption: true }),
      (args) => withCluster(args, io, (cluster) => why(cluster, args.pod)),
    );
}

function rolloutTarget<T>(yargs: Argv<T>) {
  return withNamespace(yargs).positional('resources', {
    type: 'string',
    array: true,
    demandOption: true,
    describe: 'deploy/web',
  });
}

function topOptions<T>(yargs: Argv<T>) {
  return yargs
    .positional('name', { type: 'string', describe: 'Only this one' })
    .option('selector', { alias: 'l', type: 'string', describe: 'Only with these labels' })
    .option('sort-by', { choices: ['cpu', 'memory'] as const, describe: 'The most first' })
    .option('no-headers', { type: 'boolean', default: false, describe: 'Without the header line' });
}

function nodesTarget<T>(yargs: Argv<T>) {
  return withNamespace(yargs).positional('nodes', { type: 'string', array: true, demandOption: true });
}
