import { isApiError, messageOf } from '../../shared/errors.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import { readManifests } from '../apply/manifests.ts';
import { type Cluster, withCluster, withNamespace } from '../cluster.ts';
import { parseDuration } from '../duration.ts';
import { UsageError } from '../io.ts';
import { qualifiedName } from '../render/objects.ts';
import { kindNameOf, parseObjects, parseResources } from '../resources.ts';
import { waitUntilGone } from '../wait.ts';
import type { Command } from './command.ts';
import { filesOption } from './options.ts';
import { readSelected, type Selection, selectionOptions } from './selection.ts';

export const deleteCommand: Command = (program, { io }) =>
  program.command(
    'delete [resources..]',
    'Delete objects',
    (yargs) =>
      selectionOptions(filesOption(withNamespace(yargs), false))
        .positional('resources', { type: 'string', array: true, default: [] as string[] })
        .option('all', { type: 'boolean', default: false, describe: 'All of the kind in the namespace' })
        .option('wait', { type: 'boolean', default: true, describe: 'Wait until they are gone (--wait=false: do not)' })
        .option('timeout', { type: 'string', default: '5m', describe: 'How long to wait' })
        .option('grace-period', { type: 'number', describe: 'Seconds for the containers to stop' })
        .option('force', { type: 'boolean', default: false, describe: 'At once, without waiting for the node' })
        .option('ignore-not-found', {
          type: 'boolean',
          default: false,
          describe: 'Succeed if there is nothing to delete',
        })
        .option('cascade', {
          choices: ['background', 'foreground', 'orphan'] as const,
          default: 'background' as const,
          describe: 'How dependents are deleted',
        }),
    (args) => withCluster(args, io, (cluster) => remove(cluster, args)),
  );

async function remove(
  cluster: Cluster,
  args: Selection & {
    resources: string[];
    filename?: string[];
    recursive: boolean;
    all: boolean;
    wait: boolean;
    timeout: string;
    gracePeriod?: number;
    force: boolean;
    ignoreNotFound: boolean;
    cascade: 'background' | 'foreground' | 'orphan';
  },
): Promise<void> {
  const { client, io } = cluster;
  const targets = await deletionTargets(cluster, args);
  const gracePeriodSeconds = args.gracePeriod ?? (args.force ? 0 : undefined);
  const propagationPolicy = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' }[args.cascade];
  const missing: string[] = [];
  const deleted: typeof targets = [];
  for (const target of targets) {
    const { def, name, namespace } = target;
    try {
      await client.delete(kindNameOf(def), name, {
        namespace,
        propagationPolicy,
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      });
      deleted.push(target);
      io.out(`${qualifiedName(def, name)} deleted\n`);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      if (!args.ignoreNotFound) missing.push(messageOf(error));
    }
  }
  if (args.wait) await waitUntilGone(cluster, deleted, parseDuration(args.timeout));
  if (missing.length > 0) throw new UsageError(missing.join('\n'));
  if (targets.length === 0 && !args.ignoreNotFound) io.err('No resources found\n');
}

async function deletionTargets(
  cluster: Cluster,
  args: Selection & { resources: string[]; filename?: string[]; recursive: boolean; all: boolean },
): Promise<Array<{ def: KindDef; name: string; namespace?: string }>> {
  const target = (def: KindDef, name: string, namespace = cluster.namespace) => ({
    def,
    name,
    ...(def.namespaced ? { namespace } : {}),
  });
  if (args.filename) {
    const manifests = await readManifests(args.filename, args.recursive, cluster.io);
    // In the reverse order of creation.
    return manifests.reverse().map(({ def, object }) => target(def, object.metadata.name, object.metadata.namespace));
  }
  const named = parseResources(args.resources);
  if (named.every(({ name }) => name !== undefined)) {
    return parseObjects(args.resources).map(({ def, name }) => target(def, name));
  }
  if (!args.all && !args.selector && !args.fieldSelector) {
    throw new UsageError('give names, a selector (-l), or --all');
  }
  const lists = await Promise.all(
    named.map(async (one) => ({ one, objects: await readSelected(cluster, one, args, []) })),
  );
  return lists.flatMap(({ one, objects }) =>
    objects.map(({ metadata }) => target(one.def, metadata.name, metadata.namespace)),
  );
}
