import type { Event, EventsV1Event, StatusCause } from '../../generated/types.ts';
import { invalid, required } from '../../schema/causes.ts';
import type { Conversion } from '../kind.ts';

/** events.k8s.io/v1: the same event with other names of some fields, and stricter rules. */
export const eventsV1Event: Conversion<EventsV1Event, Event> = {
  toStored(object) {
    const { apiVersion: _version, regarding, note, reportingController, ...rest } = object;
    const { deprecatedSource, deprecatedFirstTimestamp, deprecatedLastTimestamp, deprecatedCount, ...same } = rest;
    return present<Event>({
      apiVersion: 'v1',
      ...same,
      involvedObject: regarding ?? {},
      message: note,
      source: deprecatedSource,
      firstTimestamp: deprecatedFirstTimestamp,
      lastTimestamp: deprecatedLastTimestamp,
      count: deprecatedCount,
      reportingComponent: reportingController,
    });
  },
  fromStored(object) {
    const { apiVersion: _version, involvedObject, message, reportingComponent, ...rest } = object;
    const { source, firstTimestamp, lastTimestamp, count, ...same } = rest;
    return present<EventsV1Event>({
      apiVersion: 'events.k8s.io/v1',
      ...same,
      regarding: involvedObject,
      note: message,
      deprecatedSource: source,
      deprecatedFirstTimestamp: firstTimestamp,
      deprecatedLastTimestamp: lastTimestamp,
      deprecatedCount: count,
      reportingController: reportingComponent,
    });
  },
  fields: {
    'regarding.kind': 'involvedObject.kind',
    'regarding.namespace': 'involvedObject.namespace',
    'regarding.name': 'involvedObject.name',
    'regarding.uid': 'involvedObject.uid',
    'regarding.apiVersion': 'involvedObject.apiVersion',
    'regarding.resourceVersion': 'involvedObject.resourceVersion',
    'regarding.fieldPath': 'involvedObject.fieldPath',
    reportingController: 'reportingComponent',
  },
  validateCreate(object, causes) {
    validateSeries(object, causes);
    if (!object.eventTime) causes.push(required('eventTime'));
    if (object.type !== 'Normal' && object.type !== 'Warning') {
      causes.push(invalid('type', '', `has invalid value: ${object.type ?? ''}`));
    }
    if (object.firstTimestamp) causes.push(invalid('firstTimestamp', '', unset));
    if (object.lastTimestamp) causes.push(invalid('lastTimestamp', '', unset));
    if (object.count) causes.push(invalid('count', '', unset));
    if (object.source?.component || object.source?.host) causes.push(invalid('source', '', unset));
  },
  validateUpdate(object, old, causes) {
    const same = (now: unknown, before: unknown): boolean => JSON.stringify(now) === JSON.stringify(before);
    if (!same(object.series, old.series)) validateSeries(object, causes);
    for (const [field, name] of fixed) {
      if (!same(object[field], old[field])) causes.push(invalid(name, object[field], 'field is immutable'));
    }
  },
};

const unset = 'needs to be unset';

/**
 * The immutable fields of an event. Its series and its note may change: Kubernetes' conformance test of an event's lifecycle requires
 * that, though its validation refuses a changed note.
 */
const fixed: ReadonlyArray<readonly [keyof Event, string]> = [
  ['involvedObject', 'involvedObject'],
  ['reason', 'reason'],
  ['source', 'source'],
  ['firstTimestamp', 'firstTimestamp'],
  ['lastTimestamp', 'lastTimestamp'],
  ['count', 'count'],
  ['type', 'type'],
  ['eventTime', 'eventTime'],
  ['action', 'action'],
  ['related', 'related'],
  ['reportingComponent', 'reportingController'],
  ['reportingInstance', 'reportingInstance'],
];

function validateSeries({ series }: Event, causes: StatusCause[]): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) causes.push(invalid('series.count', '', 'should be at least 2'));
  if (!series.lastObservedTime) causes.push(required('series.lastObservedTime'));
}

/** Without the fields that have no value. */
function present<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
