import type { Client } from '../../shared/client.ts';
import type { Deployment, Event, Node, Pod } from '../../shared/generated/types.ts';
import { ageOf } from '../../shared/kinds/columns/age.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import { controllerOf, isKind, type KubeObject } from '../../shared/object.ts';
import { deploymentLines } from './deployment.ts';
import { genericLines } from './generic.ts';
import { nodeLines } from './node.ts';
import { podLines } from './pod.ts';
import { type Line, line, map, renderLines } from './section.ts';

/** An object in full, with its related objects and its events, which are read from the server. */
export async function describeObject(
  client: Pick<Client, 'list'>,
  def: KindDef,
  object: KubeObject,
  now: number,
): Promise<string> {
  const [own, events] = await Promise.all([ownLines(client, def, object), eventsOf(client, object)]);
  return renderLines([...headLines(object), ...own]) + (def.kind === 'Event' ? '' : renderEvents(events, now));
}

function headLines(object: KubeObject): Array<Line | undefined> {
  const { name, namespace, labels, annotations, creationTimestamp, deletionTimestamp } = object.metadata;
  const owner = controllerOf(object);
  const { [lastApplied]: _applied, ...shown } = annotations ?? {};
  return [
    line('Name', name),
    namespace ? line('Namespace', namespace) : undefined,
    map('Labels', labels),
    map('Annotations', shown, ': '),
    line('Created', creationTimestamp),
    deletionTimestamp ? line('Deleting since', deletionTimestamp) : undefined,
    owner ? line('Controlled By', `${owner.kind}/${owner.name}`) : undefined,
  ];
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

async function ownLines(
  client: Pick<Client, 'list'>,
  def: KindDef,
  object: KubeObject,
): Promise<Array<Line | undefined>> {
  if (isKind(object, 'Pod')) return podLines(object as Pod);
  if (isKind(object, 'Node')) {
    const { items } = await client.list('Pod', { fieldSelector: `spec.nodeName=${object.metadata.name}` });
    return nodeLines(object as Node, items);
  }
  if (isKind(object, 'Deployment')) {
    const { items } = await client.list('ReplicaSet', { namespace: object.metadata.namespace });
    const owned = items.filter((set) => controllerOf(set)?.uid === object.metadata.uid);
    return deploymentLines(object as Deployment, owned);
  }
  if (isKind(object, 'Secret')) {
    // Only the sizes of values are shown.
    const sizes = Object.entries(object.data ?? {}).map(([key, value]) => [
      key,
      `${Buffer.from(value, 'base64').length} bytes`,
    ]);
    return [line('Type', object.type), map('Data', Object.fromEntries(sizes), ': ')];
  }
  return genericLines(object, def.message);
}

/** The newest last. */
async function eventsOf(client: Pick<Client, 'list'>, { metadata, kind }: KubeObject): Promise<Event[]> {
  const fields = [`involvedObject.name=${metadata.name}`, `involvedObject.kind=${kind}`];
  // Events of a node, which has no namespace, are in the default one.
  const { items } = await client.list('Event', {
    namespace: metadata.namespace ?? 'default',
    fieldSelector: fields.join(','),
  });
  return items
    .filter(({ involvedObject: { uid } }) => !uid || uid === metadata.uid || uid === metadata.name)
    .sort(byTime);
}

function renderEvents(events: readonly Event[], now: number): string {
  if (events.length === 0) return renderLines([line('Events', undefined)]);
  const rows = events.map((event) => [
    event.type ?? '',
    event.reason ?? '',
    eventAge(event, now),
    event.source?.component || event.reportingComponent || '',
    (event.message ?? '').trim(),
  ]);
  return renderLines([{ label: 'Events', table: { headers: ['Type', 'Reason', 'Age', 'From', 'Message'], rows } }]);
}

/** `5s`, or `5s (x3 over 1m)` for a repeated event. */
export function eventAge(event: Event, now: number): string {
  const age = ageOf(eventTime(event), now);
  const count = event.series?.count ?? event.count ?? 1;
  if (count <= 1) return age;
  return `${age} (x${count} over ${ageOf(event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp, now)})`;
}

export function eventTime(event: Event): string {
  const { series, lastTimestamp, eventTime: at, metadata } = event;
  return series?.lastObservedTime ?? lastTimestamp ?? at ?? metadata.creationTimestamp;
}

/** By time, within one second by resourceVersion. */
export function byTime(a: Event, b: Event): number {
  const revision = ({ metadata }: Event): number => Number(metadata.resourceVersion);
  return Date.parse(eventTime(a)) - Date.parse(eventTime(b)) || revision(a) - revision(b);
}
