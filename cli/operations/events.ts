import type { Event } from '../../shared/generated/types.ts';
import type { Cluster } from '../cluster.ts';
import { byTime, eventAge } from '../describe/describe.ts';
import { columnWidths, renderRow, renderTable } from '../render/table.ts';
import { parseObjects } from '../resources.ts';

export interface EventsArgs {
  readonly allNamespaces: boolean;
  readonly for?: string;
  readonly types?: string;
  readonly watch: boolean;
}

export async function showEvents({ client, namespace, io }: Cluster, args: EventsArgs): Promise<void> {
  const place = args.allNamespaces ? undefined : namespace;
  const fields: string[] = [];
  if (args.for) {
    const [target] = parseObjects([args.for]);
    if (target) fields.push(`involvedObject.kind=${target.def.kind}`, `involvedObject.name=${target.name}`);
  }
  const options = { namespace: place, fieldSelector: fields.join(',') || undefined };
  const wanted = ({ type }: Event): boolean => !args.types || args.types.split(',').includes(type ?? '');
  const headers = [...(args.allNamespaces ? ['NAMESPACE'] : []), 'LAST SEEN', 'TYPE', 'REASON', 'OBJECT', 'MESSAGE'];
  const row = (event: Event): string[] => [
    ...(args.allNamespaces ? [event.metadata.namespace ?? ''] : []),
    eventAge(event, io.clock.now()),
    event.type ?? '',
    event.reason ?? '',
    `${(event.involvedObject.kind ?? '').toLowerCase()}/${event.involvedObject.name ?? ''}`,
    (event.message ?? '').trim().replaceAll('\n', ' '),
  ];
  if (!args.watch) {
    const { items } = await client.list('Event', options);
    const shown = items.filter(wanted).sort(byTime);
    if (shown.length === 0) io.err('No events found\n');
    else io.out(renderTable(headers, shown.map(row)));
    return;
  }
  const initial: Event[] = [];
  let widths: number[] | undefined;
  for await (const { type, object } of client.watchKind('Event', options, io.signal)) {
    if (type === 'BOOKMARK' && !widths) {
      const rows = initial.sort(byTime).map(row);
      widths = columnWidths(headers, rows, [12, 7, 16, 30]);
      for (const cells of [headers, ...rows]) io.out(renderRow(cells, widths));
    } else if (type !== 'BOOKMARK' && type !== 'DELETED' && wanted(object)) {
      if (widths) io.out(renderRow(row(object), widths));
      else initial.push(object);
    }
  }
}
