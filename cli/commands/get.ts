import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KubeObject } from '../../shared/object.ts';
import { type Cluster, withCluster, withNamespace } from '../cluster.ts';
import { UsageError } from '../io.ts';
import { qualifiedName, renderDocument, type TableStyle, tableOf } from '../render/objects.ts';
import { columnWidths, renderRow, renderTable } from '../render/table.ts';
import { kindNameOf, type Named, parseResources } from '../resources.ts';
import type { Command } from './command.ts';
import { readSelected, type Selection, selectionOptions } from './selection.ts';

export const getCommand: Command = (program, { io }) =>
  program.command(
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
          describe: 'Output format',
        })
        .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Watch for changes' })
        .option('show-labels', { type: 'boolean', default: false, describe: 'Add a column of labels' })
        .option('no-headers', { type: 'boolean', default: false, describe: 'Leave out the header line' }),
    (args) => withCluster(args, io, (cluster) => get(cluster, args)),
  );

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
      objects.push(...(await readSelected(cluster, one, args, missing)));
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
  const options = {
    namespace: def.namespaced && !args.allNamespaces ? namespace : undefined,
    labelSelector: args.selector,
    fieldSelector: fieldSelector || undefined,
  };
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
