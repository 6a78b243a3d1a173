import type { LimitRange, LimitRangeItem, StatusCause } from '../../generated/types.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';
import { duplicate, forbidden, invalid, required } from '../../schema/causes.ts';
import { isDnsSubdomain, isQualifiedName } from '../../schema/formats.ts';
import { nameColumn, text } from '../columns/columns.ts';
import type { Behaviour } from '../kind.ts';

type Amounts = Readonly<Record<string, string>>;

const knownResources: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', 'storage', 'pods']);

export const limitRange: Behaviour<LimitRange> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Created At', 'When the object was created.', ({ metadata }) => metadata.creationTimestamp ?? '<unknown>'),
  ],
  strategy: {
    default({ spec }) {
      for (const item of spec?.limits ?? []) if (item.type === 'Container') defaultContainerItem(item);
    },
    validate({ spec }, causes) {
      const seen = new Set<string>();
      for (const [index, item] of (spec?.limits ?? []).entries()) {
        const field = `spec.limits[${index}]`;
        if (item.type && seen.has(item.type)) causes.push(duplicate(`${field}.type`, item.type));
        seen.add(item.type);
        validateItem(item, field, causes);
      }
    },
  },
};

/** A default limit is the maximum; a default request is the default limit, or else the minimum. */
function defaultContainerItem(item: LimitRangeItem): void {
  const limits = { ...item.max, ...item.default };
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  if (Object.keys(limits).length > 0) item.default = limits;
  if (Object.keys(requests).length > 0) item.defaultRequest = requests;
}

function validateItem(item: LimitRangeItem, field: string, causes: StatusCause[]): void {
  const { type = '', max = {}, min = {}, default: limits = {}, defaultRequest: requests = {} } = item;
  const ratios = item.maxLimitRequestRatio ?? {};
  const fault = type && isQualifiedName(type);
  if (fault) causes.push(invalid(`${field}.type`, type, fault));
  else if (type && !type.includes('/') && !['Pod', 'Container', 'PersistentVolumeClaim'].includes(type)) {
    causes.push(invalid(`${field}.type`, type, 'must be a standard limit type or fully qualified'));
  }
  for (const [part, amounts] of Object.entries({ max, min, maxLimitRequestRatio: ratios })) {
    validateNames(type, amounts, `${field}.${part}`, causes);
  }
  if (type === 'Pod') {
    for (const [part, amounts] of Object.entries({ default: limits, defaultRequest: requests })) {
      if (Object.keys(amounts).length === 0) continue;
      causes.push(forbidden(`${field}.${part}`, "may not be specified when `type` is 'Pod'"));
    }
  } else {
    validateNames(type, limits, `${field}.default`, causes);
    validateNames(type, requests, `${field}.defaultRequest`, causes);
  }
  if (type === 'PersistentVolumeClaim' && min.storage === undefined && max.storage === undefined) {
    const why = 'either minimum or maximum storage value is required, but neither was provided';
    causes.push(required(`${field}.limits`, why));
  }
  for (const name of new Set([
    ...Object.keys(max),
    ...Object.keys(min),
    ...Object.keys(limits),
    ...Object.keys(requests),
  ])) {
    compareBounds(item, name, field, causes);
  }
  for (const name of Object.keys(ratios)) validateRatio(item, name, field, causes);
}

function validateNames(type: string, amounts: Amounts, field: string, causes: StatusCause[]): void {
  for (const name of Object.keys(amounts)) {
    const fault = isQualifiedName(name);
    if (fault) causes.push(invalid(`${field}[${name}]`, name, fault));
    else if (!name.includes('/') && !knownResources.has(name) && !name.startsWith('hugepages-')) {
      const what =
        type === 'Pod' || type === 'Container'
          ? 'must be a standard resource for containers'
          : 'must be a standard resource type or fully qualified';
      causes.push(invalid(`${field}[${name}]`, name, what));
    }
  }
}

/** min ≤ default request ≤ default ≤ max, of those that are set. */
function compareBounds(item: LimitRangeItem, name: string, field: string, causes: StatusCause[]): void {
  const [min, max] = [amountOf(item.min, name), amountOf(item.max, name)];
  const [limit, request] = [amountOf(item.default, name), amountOf(item.defaultRequest, name)];
  const check = (part: string, value: string | undefined, low: Bound, high: Bound): void => {
    if (low.value === undefined || high.value === undefined) return;
    if (compareQuantities(low.value, high.value) <= 0) return;
    const why = `${low.called} value ${low.value} is greater than ${high.called} value ${high.value}`;
    causes.push(invalid(`${field}.${part}[${name}]`, value, why));
  };
  check('min', min, { called: 'min', value: min }, { called: 'max', value: max });
  check('defaultRequest', request, { called: 'min', value: min }, { called: 'default request', value: request });
  check('defaultRequest', request, { called: 'default request', value: request }, { called: 'max', value: max });
  check(
    'defaultRequest',
    request,
    { called: 'default request', value: request },
    { called: 'default limit', value: limit },
  );
  check('default', limit, { called: 'min', value: min }, { called: 'default', value: limit });
  check('default', limit, { called: 'default', value: limit }, { called: 'max', value: max });
}

/** A client may name a resource like an inherited member: `valueOf`. */
function amountOf(amounts: Amounts | undefined, name: string): string | undefined {
  return amounts && Object.hasOwn(amounts, name) ? amounts[name] : undefined;
}

interface Bound {
  readonly called: string;
  readonly value: string | undefined;
}

function validateRatio(
  { min, max, maxLimitRequestRatio }: LimitRangeItem,
  name: string,
  field: string,
  causes: StatusCause[],
): void {
  const ratio = amountOf(maxLimitRequestRatio, name) ?? '1';
  const path = `${field}.maxLimitRequestRatio[${name}]`;
  if (compareQuantities(ratio, '1') < 0) causes.push(invalid(path, ratio, `ratio ${ratio} is less than 1`));
  const [least, most] = [amountOf(min, name), amountOf(max, name)];
  if (least === undefined || most === undefined || parseQuantity(least).nanos === 0n) return;
  const widest = Number(parseQuantity(most).nanos) / Number(parseQuantity(least).nanos);
  if (Number(parseQuantity(ratio).nanos) / 1e9 > widest) {
    causes.push(invalid(path, ratio, `ratio ${ratio} is greater than max/min = ${widest.toFixed(6)}`));
  }
}
