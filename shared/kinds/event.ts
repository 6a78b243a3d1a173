import type { Event } from '../generated/types.ts';
import { invalid } from '../schema/causes.ts';
import { isDnsSubdomain } from '../schema/formats.ts';
import { ageOf } from './age.ts';
import { nameColumn, text, wide } from './columns.ts';
import type { Behaviour, Column } from './kind.ts';

export const event: Behaviour<Event> = {
  nameFormat: isDnsSubdomain,
  columns: [
    text('Last Seen', 'When it last happened.', lastSeen),
    text('Type', 'Normal or Warning.', ({ type }) => type ?? ''),
    text('Reason', 'What happened, in one word.', ({ reason }) => reason ?? ''),
    text('Object', 'What it happened to.', ({ involvedObject: { kind = '', name = '' } }) =>
      name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
    ),
    wide('Subobject', 'The part of the object.', ({ involvedObject }) => involvedObject.fieldPath ?? ''),
    wide('Source', 'Who tells of it.', sourceOf),
    text('Message', 'What happened, for people.', ({ message }) => (message ?? '').trim()),
    { ...text('First Seen', 'When it first happened.', firstSeen), priority: 1 },
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
    validate({ metadata, involvedObject }, causes) {
      const of = involvedObject?.namespace;
      // What has no namespace has its events in default or kube-system.
      const fits = of ? of === metadata.namespace : ['default', 'kube-system'].includes(metadata.namespace ?? '');
      if (involvedObject && !fits) {
        causes.push(invalid('involvedObject.namespace', of ?? '', 'does not match event.namespace'));
      }
    },
  },
};

function firstSeen({ firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(firstTimestamp ?? eventTime, now);
}

/** Without how often: that is a column of its own, and `kubectl events` and `describe` put the two together. */
function lastSeen({ series, lastTimestamp, firstTimestamp, eventTime }: Event, now: number): string {
  return ageOf(series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime, now);
}

function sourceOf({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component ?? reportingComponent ?? '';
  const host = source?.host ?? reportingInstance;
  return host ? `${component}, ${host}` : component;
}
