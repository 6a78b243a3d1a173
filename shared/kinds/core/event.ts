import type { Event, StatusCause } from '../../generated/types.ts';
import { invalid, required } from '../../schema/causes.ts';
import { isDnsSubdomain, isQualifiedName } from '../../schema/formats.ts';
import { ageOf } from '../columns/age.ts';
import { nameColumn, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

export const event: Behaviour<Event> = {
  nameFormat: isDnsSubdomain,
  columns: [
    text('Last Seen', 'When the event last occurred.', lastSeen),
    text('Type', 'Normal or Warning.', ({ type }) => type ?? ''),
    text('Reason', 'The reason, in one word.', ({ reason }) => reason ?? ''),
    text('Object', 'The object that the event is about.', ({ involvedObject: { kind = '', name = '' } }) =>
      name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
    ),
    wide(
      'Subobject',
      'The part of the object that the event is about.',
      ({ involvedObject }) => involvedObject.fieldPath ?? '',
    ),
    wide('Source', 'The component that reported the event.', sourceOf),
    text('Message', 'The description of the event.', ({ message }) => (message ?? '').trim()),
    { ...text('First Seen', 'When the event first occurred.', firstSeen), priority: 1 },
    {
      name: 'Count',
      type: 'integer',
      description: 'How often it happened.',
      priority: 1,
      value: ({ series, count }) => series?.count ?? count ?? 1,
    },
    { ...(nameColumn as Column<Event>), priority: 1 },
  ],
  strategy: {
    tracksAfterApply: true,
    expires: true,
    validate(event, causes) {
      const { metadata, involvedObject, eventTime } = event;
      const of = involvedObject?.namespace;
      // Events of cluster-scoped objects are in default; those of events.k8s.io may be in kube-system too.
      const places = eventTime ? ['default', 'kube-system'] : ['default'];
      const fits = of
        ? eventTime !== undefined || of === metadata.namespace
        : places.includes(metadata.namespace ?? '');
      if (involvedObject && !fits) {
        causes.push(invalid('involvedObject.namespace', of ?? '', 'does not match event.namespace'));
      }
      if (eventTime) validateNewer(event, causes);
    },
  },
};

/** The rules of an event with an eventTime, in either group. */
function validateNewer(event: Event, causes: StatusCause[]): void {
  const { reportingComponent = '', message = '' } = event;
  if (!reportingComponent) causes.push(required('reportingController'));
  const fault = isQualifiedName(reportingComponent);
  if (fault) causes.push(invalid('reportingController', reportingComponent, fault));
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[field] ?? '';
    if (!value) causes.push(required(field));
    if (Buffer.byteLength(value) > 128) causes.push(invalid(field, '', 'can have at most 128 characters'));
  }
  if (Buffer.byteLength(message) > 1024) causes.push(invalid('message', '', 'can have at most 1024 characters'));
}

function firstSeen({ firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(firstTimestamp ?? eventTime, now);
}

/** Without the count: that is another column, and `kubectl events` and `describe` combine the two. */
function lastSeen({ series, lastTimestamp, firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime, now);
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component ?? reportingComponent ?? '';
  const host = source?.host ?? reportingInstance;
  return host ? `${component}, ${host}` : component;
}
