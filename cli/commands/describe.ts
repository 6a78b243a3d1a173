import { type Cluster, withCluster, withNamespace } from '../cluster.ts';
import { describeObject } from '../describe/describe.ts';
import { UsageError } from '../io.ts';
import { parseResources } from '../resources.ts';
import type { Command } from './command.ts';
import { readSelected, type Selection, selectionOptions } from './selection.ts';

export const describeCommand: Command = (program, { io }) =>
  program.command(
    'describe <resources..>',
    'Show objects in full, with their events',
    (yargs) =>
      selectionOptions(withNamespace(yargs)).positional('resources', {
        type: 'string',
        array: true,
        demandOption: true,
      }),
    (args) => withCluster(args, io, (cluster) => describe(cluster, args)),
  );

async function describe(cluster: Cluster, args: Selection & { resources: string[] }): Promise<void> {
  const missing: string[] = [];
  let first = true;
  for (const named of parseResources(args.resources)) {
    for (const object of await readSelected(cluster, named, args, missing)) {
      if (!first) cluster.io.out('\n\n');
      first = false;
      cluster.io.out(await describeObject(cluster.client, named.def, object, cluster.io.clock.now()));
    }
  }
  if (missing.length > 0) throw new UsageError(missing.join('\n'));
  if (first) throw new UsageError('no such objects');
}
