import type { Argv } from 'yargs';
import { ApiError, isApiError, messageOf } from '../../shared/errors.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import { applyManifest, applyOnServer } from '../apply/apply.ts';
import { readManifests } from '../apply/manifests.ts';
import { type Cluster, withCluster, withNamespace } from '../cluster.ts';
import { describeObject } from '../describe/describe.ts';
import { parseDuration } from '../duration.ts';
import { type Io, UsageError } from '../io.ts';
import { qualifiedName, renderDocument, type TableStyle, tableOf } from '../render/objects.ts';
import { columnWidths, renderRow, renderTable } from '../render/table.ts';
import { kindNameOf, type Named, parseObjects, parseResources } from '../resources.ts';
import { waitUntilGone } from '../wait.ts';

/** Commands on objects of any kind. */
export function addObjectCommands(program: Argv, io: Io): Argv {
  return program
    .command(
      'apply',
      'Bring the cluster to what files say',
      (yargs) =>
        filesOption(withNamespace(yargs))
          .option('dry-run', {
            type: 'boolean',
            default: false,
            describe: 'Change nothing',
          })
          .option('server-side', {
            type: 'boolean',
            default: false,
            describe: 'Let the server merge, by who owns which field',
          })
          .option('force-conflicts', { type: 'boolean', default: false, describe: 'Take over what other managers own' })
          .option('field-manager', { type: 'string', default: 'coracle', describe: 'Who is to own the fields' }),
      (args) => withCluster(args, io, (cluster) => apply(cluster, args)),
    )
    .command(
      'get <resources..>',
      'Show objects',
      (yargs) =>
        selectionOptions(withNamespace(yargs))
          .positional('resources', {
            type: 'string',
            array: true,
            demandOption: true,
            describe: 'pods, deploy/web, all …',
          })
          .option('output', {
            alias: 'o',
            choices: ['wide', 'yaml', 'json', 'name'] as const,
            describe: 'How to show them',
          })
          .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Go on with the changes' })
          .option('show-labels', { type: 'boolean', default: false, describe: 'With a column of labels' })
          .option('no-headers', { type: 'boolean', default: false, describe: 'Without the header line' }),
      (args) => withCluster(args, io, (cluster) => get(cluster, args)),
    )
    .command(
      'describe <resources..>',
      'Show objects in full, with what happened to them',
      (yargs) =>
        selectionOptions(withNamespace(yargs)).positional('resources', {
          type: 'string',
          array: true,
          demandOption: true,
        }),
      (args) => withCluster(args, io, (cluster) => describe(cluster, args)),
    )
    .command(
      'delete [resources..]',
      'Delete objects',
      (yargs) =>
        selectionOptions(filesOption(withNamespace(yargs), false))
          .positional('resources', { type: 'string', array: true, default: [] as string[] })
          .option('all', { type: 'boolean', default: false, describe: 'All of the kind in the namespace' })
          .option('wait', { type: 'boolean', default: true, describe: 'Until they are gone (--wait=false: do not)' })
          .option('timeout', { type: 'string', default: '5m', describe: 'How long to wait' })
          .option('grace-period', { type: 'number', describe: 'Seconds for the containers to stop' })
          .option('force', { type: 'boolean', default: false, describe: 'At once, without waiting for the node' })
          .option('ignore-not-found', {
            type: 'boolean',
            default: false,
            describe: 'Be content when there is nothing to delete',
          })
          .option('cascade', {
            choices: ['background', 'foreground', 'orphan'] as const,
            default: 'background' as const,
            describe: 'What happens to what the objects own',
          }),
      (args) => withCluster(args, io, (cluster) => remove(cluster, args)),
    );
}

function filesOption<T>(yargs: Argv<T>, required = true) {
  return yargs
    .option('filename', {
      alias: 'f',
      type: 'string',
      array: true,
      demandOption: required,
      describe: 'Files, directories, or - for standard input',
    })
    .option('recursive', { alias: 'R', type: 'boolean', default: false, describe: 'With the directories within' });
}

function selectionOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('all-namespaces', { alias: 'A', type: 'boolean', default: false, describe: 'In all namespaces' })
    .option('selector', { alias: 'l', type: 'string', describe: 'Labels: app=web,tier in (a,b)' })
    .option('field-selector', { type: 'string', describe: 'Fields: spec.nodeName=worker-1' });
}

interface Selection {
  readonly allNamespaces: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
}

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
    const place = object.metadata.namespace ?? namespace;
    if (def.namespaced && args.namespace && place !== args.namespace) {
      throw new UsageError(
        `${source}: the namespace of ${object.metadata.name} is "${place}", not "${args.namespace}"`,
      );
    }
    try {
      const applied = args.serverSide
        ? await applyOnServer(client, manifest, place, { fieldManager, force, dryRun })
        : await applyManifest(client, manifest, place, dryRun);
      const name = qualifiedName(def, object.metadata.name);
      io.out(`${name} ${applied}${args.dryRun ? ' (dry run)' : ''}\n`);
    } catch (error) {
      if (!isApiError(error) || isApiError(error, 'ServiceUnavailable', 'Timeout')) throw error;
      failures.push(`${source}: ${messageOf(error)}`);
    }
  }
  if (failures.length > 0) throw new UsageError(failures.join('\n'));
}

async function get(
  cluster: Cluster,
  args: Selection & {
    resources: string[];
    output?: 'wide' | 'yaml' | 'json' | 'name';
    watch: boolean;
    showLabels: boolean;
    noHeaders: boolean;
  },
): Promise<void> {
  const { io } = cluster;
  const named = parseResources(args.resources);
  const defs = [...new Set(named.map(({ def }) => def))];
  if (args.watch) {
    const [first] = named;
    if (defs.length !== 1 || named.length !== 1 || !first) throw new UsageError('-w watches one kind, or one object');
    return watch(cluster, first, args);
  }
  const found: Array<{ def: KindDef; objects: KubeObject[] }> = [];
  const missing: string[] = [];
  for (const def of defs) {
    const objects: KubeObject[] = [];
    for (const one of named.filter((candidate) => candidate.def === def)) {
      objects.push(...(await readNamed(cluster, one, args, missing)));
    }
    found.push({ def, objects });
  }
  const all = found.flatMap(({ objects }) => objects);
  const style = styleOf(args, defs.length > 1 || args.resources.includes('all'));
  if (args.output === 'yaml' || args.output === 'json') {
    const single = named.length === 1 && named[0]?.name !== undefined && all.length === 1;
    if (missing.length === 0 || all.length > 0) io.out(renderDocument(all, args.output, single));
  } else if (args.output === 'name') {
    for (const { def, objects } of found)
      for (const { metadata } of objects) io.out(`${qualifiedName(def, metadata.name)}\n`);
  } else {
    const tables = found
      .filter(({ objects }) => objects.length > 0)
      .map(({ def, objects }) => {
        const { headers, rows } = tableOf(def, objects, style, io.clock.now());
        return renderTable(args.noHeaders ? [] : headers, rows);
      });
    io.out(tables.join('\n'));
    if (all.length === 0 && missing.length === 0) io.err(nothingFound(cluster, defs, args));
  }
  if (missing.length > 0) throw new UsageError(missing.join('\n'));
}

async function watch(
  { client, namespace, io }: Cluster,
  { def, name }: Named,
  args: Selection & { output?: string; showLabels: boolean; noHeaders: boolean },
): Promise<void> {
  const style = styleOf(args, false);
  const fieldSelector = [args.fieldSelector, name && `metadata.name=${name}`].filter(Boolean).join(',');
  const place = def.namespaced && !args.allNamespaces ? namespace : undefined;
  const options = { namespace: place, labelSelector: args.selector, fieldSelector: fieldSelector || undefined };
  const initial: KubeObject[] = [];
  let widths: number[] | undefined;
  for await (const { type, object } of client.watchKind(kindNameOf(def), options, io.signal)) {
    if (args.output === 'yaml' || args.output === 'json') {
      if (type === 'BOOKMARK') continue;
      io.out(
        args.output === 'yaml'
          ? `---\n${renderDocument([object], 'yaml', true)}`
          : renderDocument([object], 'json', true),
      );
    } else if (args.output === 'name') {
      if (type !== 'BOOKMARK') io.out(`${qualifiedName(def, object.metadata.name)}\n`);
    } else if (widths) {
      if (type === 'BOOKMARK') continue;
      const { rows } = tableOf(def, [object], style, io.clock.now());
      io.out(rows.map((row) => renderRow(row, widths ?? [])).join(''));
    } else if (type === 'BOOKMARK') {
      const { headers, rows } = tableOf(def, initial, style, io.clock.now());
      widths = columnWidths(headers, rows);
      io.out([...(args.noHeaders ? [] : [headers]), ...rows].map((row) => renderRow(row, widths ?? [])).join(''));
    } else {
      initial.push(object);
    }
  }
}

async function describe(cluster: Cluster, args: Selection & { resources: string[] }): Promise<void> {
  const missing: string[] = [];
  let first = true;
  for (const named of parseResources(args.resources)) {
    for (const object of await readNamed(cluster, named, args, missing)) {
      if (!first) cluster.io.out('\n\n');
      first = false;
      cluster.io.out(await describeObject(cluster.client, named.def, object, cluster.io.clock.now()));
    }
  }
  if (missing.length > 0) throw new UsageError(missing.join('\n'));
  if (first) throw new UsageError('no such objects');
}

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
  const gone: typeof targets = [];
  for (const target of targets) {
    const { def, name, namespace } = target;
    try {
      await client.delete(kindNameOf(def), name, {
        namespace,
        propagationPolicy,
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      });
      gone.push(target);
      io.out(`${qualifiedName(def, name)} deleted\n`);
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
      if (!args.ignoreNotFound) missing.push(messageOf(error));
    }
  }
  if (args.wait) await waitUntilGone(cluster, gone, parseDuration(args.timeout));
  if (missing.length > 0) throw new UsageError(missing.join('\n'));
  if (targets.length === 0 && !args.ignoreNotFound) io.err('No resources found\n');
}

async function deletionTargets(
  cluster: Cluster,
  args: Selection & { resources: string[]; filename?: string[]; recursive: boolean; all: boolean },
): Promise<Array<{ def: KindDef; name: string; namespace?: string }>> {
  const placed = (def: KindDef, name: string, namespace = cluster.namespace) => ({
    def,
    name,
    ...(def.namespaced ? { namespace } : {}),
  });
  if (args.filename) {
    const manifests = await readManifests(args.filename, args.recursive, cluster.io);
    // What was made last goes first.
    return manifests.reverse().map(({ def, object }) => placed(def, object.metadata.name, object.metadata.namespace));
  }
  const named = parseResources(args.resources);
  if (named.every(({ name }) => name !== undefined)) {
    return parseObjects(args.resources).map(({ def, name }) => placed(def, name));
  }
  if (!args.all && !args.selector && !args.fieldSelector) {
    throw new UsageError('give names, a selector (-l), or --all');
  }
  const lists = await Promise.all(
    named.map(async (one) => ({ one, objects: await readNamed(cluster, one, args, []) })),
  );
  return lists.flatMap(({ one, objects }) =>
    objects.map(({ metadata }) => placed(one.def, metadata.name, metadata.namespace)),
  );
}

/** The objects that an argument means; what is not there goes to `missing`. */
async function readNamed(
  { client, namespace }: Cluster,
  { def, name }: Named,
  selection: Selection,
  missing: string[],
): Promise<KubeObject[]> {
  const kind: Kind = kindNameOf(def);
  if (name === undefined) {
    const place = def.namespaced && !selection.allNamespaces ? namespace : undefined;
    const { items } = await client.list(kind, {
      namespace: place,
      labelSelector: selection.selector,
      fieldSelector: selection.fieldSelector,
    });
    return items;
  }
  if (selection.allNamespaces) throw new UsageError('an object is named in one namespace: -A does not go with a name');
  try {
    return [await client.get(kind, name, def.namespaced ? namespace : undefined)];
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
    missing.push(`${error.message} (NotFound)`);
    return [];
  }
}

function styleOf(
  args: { output?: string; allNamespaces: boolean; showLabels: boolean },
  showKind: boolean,
): TableStyle {
  return { wide: args.output === 'wide', showNamespace: args.allNamespaces, showLabels: args.showLabels, showKind };
}

function nothingFound({ namespace }: Cluster, defs: readonly KindDef[], { allNamespaces }: Selection): string {
  const inNamespace = defs.some((def) => def.namespaced) && !allNamespaces;
  return inNamespace ? `No resources found in ${namespace} namespace.\n` : 'No resources found\n';
}
