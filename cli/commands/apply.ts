import { isApiError, messageOf } from '../../shared/errors.ts';
import { applyManifest, applyOnServer } from '../apply/apply.ts';
import { readManifests } from '../apply/manifests.ts';
import { type Cluster, withCluster, withNamespace } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { qualifiedName } from '../render/objects.ts';
import type { Command } from './command.ts';
import { filesOption } from './options.ts';

export const applyCommand: Command = (program, { io }) =>
  program.command(
    'apply',
    'Create or update objects by manifests',
    (yargs) =>
      filesOption(withNamespace(yargs))
        .option('dry-run', { type: 'boolean', default: false, describe: 'Change nothing' })
        .option('server-side', { type: 'boolean', default: false, describe: 'Let the server merge, by field managers' })
        .option('force-conflicts', { type: 'boolean', default: false, describe: 'Take fields from other managers' })
        .option('field-manager', { type: 'string', default: 'coracle', describe: 'The manager of the fields' }),
    (args) => withCluster(args, io, (cluster) => apply(cluster, args)),
  );

async function apply(
  { client, namespace, io }: Cluster,
  args: {
    filename?: string[];
    recursive: boolean;
    dryRun: boolean;
    namespace?: string;
    serverSide: boolean;
    forceConflicts: boolean;
    fieldManager: string;
  },
): Promise<void> {
  const failures: string[] = [];
  const { dryRun, fieldManager, forceConflicts: force } = args;
  if (force && !args.serverSide) throw new UsageError('--force-conflicts only works with --server-side');
  for (const manifest of await readManifests(args.filename ?? [], args.recursive, io)) {
    const { def, object, source } = manifest;
    const into = object.metadata.namespace ?? namespace;
    if (def.namespaced && args.namespace && into !== args.namespace) {
      throw new UsageError(`${source}: the namespace of ${object.metadata.name} is "${into}", not "${args.namespace}"`);
    }
    try {
      const applied = args.serverSide
        ? await applyOnServer(client, manifest, into, { fieldManager, force, dryRun })
        : await applyManifest(client, manifest, into, dryRun);
      const name = qualifiedName(def, object.metadata.name);
      io.out(`${name} ${applied}${args.dryRun ? ' (dry run)' : ''}\n`);
    } catch (error) {
      if (!isApiError(error) || isApiError(error, 'ServiceUnavailable', 'Timeout')) throw error;
      failures.push(`${source}: ${messageOf(error)}`);
    }
  }
  if (failures.length > 0) throw new UsageError(failures.join('\n'));
}
