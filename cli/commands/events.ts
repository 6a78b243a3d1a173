import { withCluster, withNamespace } from '../cluster.ts';
import { showEvents } from '../operations/events.ts';
import type { Command } from './command.ts';
import { allNamespacesOption } from './options.ts';

export const eventsCommand: Command = (program, { io }) =>
  program.command(
    'events',
    'Show events, the newest last',
    (yargs) =>
      allNamespacesOption(withNamespace(yargs))
        .option('for', { type: 'string', describe: 'Only of one object: pod/web' })
        .option('types', { type: 'string', describe: 'Only Normal or Warning' })
        .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Watch for further events' }),
    (args) => withCluster(args, io, (cluster) => showEvents(cluster, args)),
  );
