import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
} from '../../../../shared/generated/types.ts';
import { compareQuantities, milliValue } from '../../../../shared/quantity.ts';
import type { Amounts } from '../../../../shared/quota/amounts.ts';
import { wholePod } from '../../../../shared/quota/pod-usage.ts';
import { maxValues, tooManyInObject } from '../../../../shared/schema/values.ts';
import { forbidden } from '../../requests/refusals.ts';
import type { AdmissionPlugin } from '../plugin.ts';

/** Lists on a pod the defaults that were set. */
const annotation = 'kubernetes.io/limit-ranger';

/** Bounds the resources of each container, pod and claim, and sets defaults of containers (Kubernetes' LimitRanger). */
export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  rules: [
    { verbs: ['create'], kinds: ['Pod', 'PersistentVolumeClaim'] },
    { verbs: ['update'], kinds: ['PersistentVolumeClaim'] },
    { verbs: ['update'], kinds: ['Pod'], subresources: ['resize'] },
  ],
  mutate({ entry, namespace }, object, _old, reader) {
    if (entry.kind !== 'Pod' || !(object as Pod).spec?.containers) return;
    for (const range of reader.list('LimitRange', namespace)) fillIn(range, object as Pod);
  },
  validate({ entry, name, namespace }, object, _old, reader) {
    if (!object || object.metadata.deletionTimestamp) return;
    for (const range of reader.list('LimitRange', namespace)) {
      const faults = entry.kind === 'Pod' ? podFaults(range, object as Pod) : claimFaults(range, object as never);
      const distinct = [...new Set(faults)];
      if (distinct.length > 0) {
        throw forbidden(entry, name, distinct.length === 1 ? `${distinct[0]}` : `[${distinct.join(', ')}]`);
      }
    }
  },
};

/** Changes the pod. */
function fillIn({ spec }: LimitRange, pod: Pod): void {
  const requests: Record<string, string> = {};
  const limits: Record<string, string> = {};
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    Object.assign(requests, item.defaultRequest);
    Object.assign(limits, item.default);
  }
  // The pod and the ranges are bounded each, but their product is not.
  const filled = Object.keys(requests).length + Object.keys(limits).length;
  if (filled * (pod.spec.containers.length + (pod.spec.initContainers?.length ?? 0)) > maxValues)
    throw tooManyInObject();
  const done = [
    ...pod.spec.containers.flatMap((container) => fillContainer(container, 'container', requests, limits)),
    ...(pod.spec.initContainers ?? []).flatMap((container) =>
      fillContainer(container, 'init container', requests, limits),
    ),
  ];
  if (done.length === 0) return;
  const text = `LimitRanger plugin set: ${done.join('; ')}`;
  pod.metadata.annotations = { ...pod.metadata.annotations, [annotation]: text };
}

/** Returns what was set, as text. */
function fillContainer(container: Container, noun: string, requests: Amounts, limits: Amounts): string[] {
  const resources = container.resources ?? {};
  const had = { requests: resources.requests ?? {}, limits: resources.limits ?? {} };
  const added = {
    request: Object.keys(requests).filter((name) => had.requests[name] === undefined),
    limit: Object.keys(limits).filter((name) => had.limits[name] === undefined),
  };
  if (added.request.length > 0) resources.requests = { ...requests, ...had.requests };
  if (added.limit.length > 0) resources.limits = { ...limits, ...had.limits };
  container.resources = resources;
  return (['request', 'limit'] as const)
    .filter((part) => added[part].length > 0)
    .map((part) => `${added[part].sort().join(', ')} ${part} for ${noun} ${container.name}`);
}

function podFaults({ spec }: LimitRange, pod: Pod): string[] {
  return (spec?.limits ?? []).flatMap((item) => {
    if (item.type === 'Pod') return faultsOf(item, wholePod(pod.spec, 'requests'), wholePod(pod.spec, 'limits'));
    if (item.type !== 'Container') return [];
    const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
    return containers.flatMap(({ resources }) => faultsOf(item, resources?.requests ?? {}, resources?.limits ?? {}));
  });
}

function claimFaults({ spec }: LimitRange, claim: PersistentVolumeClaim): string[] {
  const requests = claim.spec?.resources?.requests ?? {};
  return (spec?.limits ?? []).flatMap((item) => {
    if (item.type !== 'PersistentVolumeClaim') return [];
    return [
      ...each(item.min, (name, bound) => belowMinimum(item, name, bound, requests, {})),
      ...each(item.max, (name, bound) => {
        const usage = `maximum ${name} usage per ${item.type} is ${bound}`;
        const request = requests[name];
        if (request === undefined) return `${usage}.  No request is specified`;
        return compareQuantities(request, bound) > 0 ? `${usage}, but request is ${request}` : undefined;
      }),
    ];
  });
}

function faultsOf(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...each(item.min, (name, bound) => belowMinimum(item, name, bound, requests, limits)),
    ...each(item.max, (name, bound) => aboveMaximum(item, name, bound, requests, limits)),
    ...each(item.maxLimitRequestRatio, (name, bound) => aboveRatio(item, name, bound, requests, limits)),
  ];
}

function each(bounds: Amounts | undefined, check: (name: string, bound: string) => string | undefined): string[] {
  return Object.entries(bounds ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, bound]) => check(name, bound))
    .filter((fault) => fault !== undefined);
}

type Item = Pick<LimitRangeItem, 'type'>;

function belowMinimum({ type }: Item, name: string, bound: string, requests: Amounts, limits: Amounts) {
  const usage = `minimum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (request === undefined) return `${usage}.  No request is specified`;
  if (compareQuantities(request, bound) < 0) return `${usage}, but request is ${request}`;
  if (limit !== undefined && compareQuantities(limit, bound) < 0) return `${usage}, but limit is ${limit}`;
  return undefined;
}

function aboveMaximum({ type }: Item, name: string, bound: string, requests: Amounts, limits: Amounts) {
  const usage = `maximum ${name} usage per ${type} is ${bound}`;
  const [request, limit] = [requests[name], limits[name]];
  if (limit === undefined) return `${usage}.  No limit is specified`;
  if (compareQuantities(limit, bound) > 0) return `${usage}, but limit is ${limit}`;
  if (request !== undefined && compareQuantities(request, bound) > 0) return `${usage}, but request is ${request}`;
  return undefined;
}

function aboveRatio({ type }: Item, name: string, bound: string, requests: Amounts, limits: Amounts) {
  const most = `${name} max limit to request ratio per ${type} is ${bound}`;
  const [request, limit] = [milliValue(requests[name] ?? '0'), milliValue(limits[name] ?? '0')];
  if (request === 0) return `${most}, but no request is specified or request is 0`;
  if (limit === 0) return `${most}, but no limit is specified or limit is 0`;
  const ratio = limit / request;
  return ratio * 1000 > milliValue(bound) ? `${most}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}
