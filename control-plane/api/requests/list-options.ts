import type { StatusCause } from '../../../shared/generated/types.ts';
import { forbidden, invalidError, notSupported } from '../../../shared/schema/causes.ts';
import type { WatchQuery } from '../api.ts';

/** Refuses combinations of options as Kubernetes does (apimachinery, `ValidateListOptions`). Throws Invalid. */
export function checkListOptions(query: Omit<WatchQuery, 'entry'>, watch: boolean): void {
  const { resourceVersionMatch: match, sendInitialEvents } = query;
  if (!match && sendInitialEvents === undefined) return;
  const causes = watch ? watchFaults(query) : listFaults(query);
  if (causes.length > 0) throw invalidError({ kind: 'ListOptions', group: 'meta.k8s.io' }, '', causes);
}

const field = 'resourceVersionMatch';

function listFaults(query: Omit<WatchQuery, 'entry'>): StatusCause[] {
  const { resourceVersionMatch: match, resourceVersion, sendInitialEvents } = query;
  const causes: StatusCause[] = [];
  if (match) {
    if (!resourceVersion) {
      causes.push(forbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    }
    if (query.continue) causes.push(continued);
    if (match !== 'Exact' && match !== 'NotOlderThan') {
      causes.push(notSupported(field, match, ['Exact', 'NotOlderThan', ''], 'as given'));
    }
    if (match === 'Exact' && resourceVersion === '0') {
      causes.push(forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
    }
  }
  if (sendInitialEvents !== undefined) {
    causes.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  }
  return causes;
}

function watchFaults(query: Omit<WatchQuery, 'entry'>): StatusCause[] {
  const { resourceVersionMatch: match, sendInitialEvents } = query;
  const causes: StatusCause[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    causes.push(forbidden(field, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  }
  if (!match) return causes;
  if (sendInitialEvents === undefined) {
    causes.push(forbidden(field, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
  }
  if (match !== 'NotOlderThan') causes.push(notSupported(field, match, ['NotOlderThan']));
  if (query.continue) causes.push(continued);
  return causes;
}

const continued = forbidden(field, 'resourceVersionMatch is forbidden when continue is provided');
