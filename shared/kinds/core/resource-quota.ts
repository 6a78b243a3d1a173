import type {
  ResourceQuota,
  ResourceQuotaSpec,
  ScopedResourceSelectorRequirement,
  StatusCause,
} from '../../generated/types.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';
import { GoValue, invalid, notSupported, required, tooMany } from '../../schema/causes.ts';
import { isDnsSubdomain, isQualifiedName } from '../../schema/formats.ts';
import { ageColumn, nameColumn, text } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';

/** The scopes of a quota. */
export type QuotaScope = (typeof quotaScopes)[number];

export const quotaScopes = [
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
] as const;

/** Resources that are counted in objects. */
const countedKinds = [
  'pods',
  'services',
  'services.nodeports',
  'services.loadbalancers',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
];
/** Resources that pods request. */
const computeResources = [
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
];
const standard: ReadonlySet<string> = new Set([...countedKinds, ...computeResources, 'requests.storage', 'storage']);
/** The resources that a quota with a scope of pods can limit. */
const ofPods: ReadonlySet<string> = new Set(['pods', ...computeResources]);
const conflicting = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

export const resourceQuota: Behaviour<ResourceQuota> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Request', 'Usage and quota of requests and object counts.', (object) => usage(object, false)),
    text('Limit', 'Usage and quota of limits.', (object) => usage(object, true)),
    ageColumn as Column<ResourceQuota>,
  ],
  strategy: {
    generation: 'none',
    deletion: { answer: 'object' },
    prepareCreate(object) {
      object.status = {};
    },
    validate({ spec }, causes) {
      const count = Object.keys(spec?.hard ?? {}).length;
      if (count > maxNames) causes.push(tooMany('spec.hard', count, maxNames));
      for (const [name, amount] of Object.entries(spec?.hard ?? {})) validateBound(name, amount, causes);
      if (spec) validateScopes(spec, causes);
    },
    validateUpdate({ spec }, old, causes) {
      const sorted = (one: ResourceQuotaSpec | undefined): string => JSON.stringify([...(one?.scopes ?? [])].sort());
      if (sorted(spec) !== sorted(old.spec))
        causes.push(invalid('spec.scopes', scopeList(spec?.scopes), 'field is immutable'));
    },
  },
};

/** The most resources of a quota: each is computed for each object. Kubernetes has no limit, and some dozens of names. */
const maxNames = 1_000;

function validateBound(name: string, amount: string, causes: StatusCause[]): void {
  const field = `spec.hard[${name}]`;
  const fault = isQualifiedName(name);
  if (fault) causes.push(invalid(field, name, fault));
  else if (!name.includes('/') && !isStandard(name)) {
    causes.push(invalid(field, name, 'must be a standard resource for quota'));
  }
  if (compareQuantities(amount, '0') < 0) {
    causes.push(invalid(field, amount, 'must be greater than or equal to 0'));
  }
  const whole = countedKinds.includes(name) || name.startsWith('count/');
  if (whole && parseQuantity(amount).nanos % 1_000_000_000n !== 0n) {
    causes.push(invalid(field, amount, 'must be an integer'));
  }
}

function isStandard(name: string): boolean {
  return standard.has(name) || /^(requests\.|limits\.)?hugepages-/.test(name);
}

function validateScopes(spec: ResourceQuotaSpec, causes: StatusCause[]): void {
  const { scopes = [], scopeSelector, hard = {} } = spec;
  validateScopeNames(scopes, 'spec.scopes', scopeList(scopes), hard, causes);
  if (!scopeSelector) return;
  const field = 'spec.scopeSelector.matchExpressions';
  const expressions = scopeSelector.matchExpressions ?? [];
  validateScopeNames(
    expressions.map(({ scopeName }) => scopeName),
    field,
    expressions,
    hard,
    causes,
  );
  for (const expression of expressions) validateExpression(expression, field, causes);
}

/** As in Kubernetes' causes. */
function scopeList(scopes: readonly string[] | undefined): GoValue | undefined {
  return scopes && GoValue.list(scopes, 'core.ResourceQuotaScope');
}

function validateScopeNames(
  names: readonly string[],
  field: string,
  shown: unknown,
  hard: Readonly<Record<string, string>>,
  causes: StatusCause[],
): void {
  for (const name of new Set(names)) {
    if (!(quotaScopes as readonly string[]).includes(name)) {
      causes.push(invalid(field, shown, 'unsupported scope'));
      continue;
    }
    const wrong = Object.keys(hard).filter((resource) => isStandard(resource) && !scopeCovers(name, resource));
    for (const _resource of wrong) causes.push(invalid(field, shown, 'unsupported scope applied to resource'));
  }
  if (conflicting.some((pair) => pair.every((one) => names.includes(one)))) {
    causes.push(invalid(field, shown, 'conflicting scopes'));
  }
}

/** Whether a quota of this scope can limit the resource. */
function scopeCovers(scope: string, resource: string): boolean {
  if (scope === 'BestEffort') return resource === 'pods';
  return ofPods.has(resource) || /^(requests\.)?hugepages-/.test(resource);
}

function validateExpression(
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
  field: string,
  causes: StatusCause[],
): void {
  const plain = scopeName !== 'PriorityClass';
  if (plain && operator !== 'Exists') {
    const detail =
      "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
    causes.push(invalid(`${field}.operator`, operator, detail));
  }
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        causes.push(
          required(
            `${field}.values`,
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
          ),
        );
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        causes.push(
          invalid(
            `${field}.values`,
            values,
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
          ),
        );
      }
      break;
    default:
      causes.push(notSupported(`${field}.operator`, operator, ['DoesNotExist', 'Exists', 'In', 'NotIn']));
  }
}

/** `requests.cpu: 1/2, pods: 3/10`: of those that are limits, or of the others. */
function usage({ status }: ResourceQuota, limits: boolean): string {
  const { hard = {}, used = {} } = status ?? {};
  return Object.keys(hard)
    .filter((name) => name.startsWith('limits.') === limits)
    .sort()
    .map((name) => `${name}: ${used[name] ?? '0'}/${hard[name]}`)
    .join(', ');
}
