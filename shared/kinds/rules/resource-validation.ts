import type { ResourceRequirements, StatusCause } from '../../generated/types.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';
import { invalid } from '../../schema/causes.ts';
import { isQualifiedName } from '../../schema/formats.ts';

type Amounts = Readonly<Record<string, string>>;

/** The resources of a container or a whole pod at path `field`: known names, no negatives, requests within limits. */
export function validateResources(resources: ResourceRequirements, field: string, causes: StatusCause[]): void {
  const { limits = {}, requests = {} } = resources;
  validateAmounts(limits, `${field}.limits`, causes);
  validateAmounts(requests, `${field}.requests`, causes);
  for (const [name, request] of Object.entries(requests)) {
    const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
    if (limit === undefined) {
      if (isExtended(name))
        causes.push(invalid(`${field}.limits`, name, 'Limit must be set for non overcommitable resources'));
    } else if (isWhole(name) && compareQuantities(request, limit) !== 0) {
      causes.push(invalid(`${field}.requests`, request, `must be equal to ${name} limit of ${limit}`));
    } else if (compareQuantities(request, limit) > 0) {
      causes.push(invalid(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`));
    }
  }
}

/** Amounts by resource name: a container's, a pod's overhead, a node's capacity. */
export function validateAmounts(amounts: Amounts, field: string, causes: StatusCause[]): void {
  for (const [name, amount] of Object.entries(amounts)) {
    const fault =
      isQualifiedName(name) ?? (isKnown(name) ? undefined : 'must be a standard resource type or fully qualified');
    if (fault) causes.push(invalid(`${field}${key(name)}`, name, fault));
    if (amount.startsWith('-')) {
      causes.push(invalid(`${field}${key(name)}`, amount, 'must be greater than or equal to 0'));
    } else if (isWhole(name) && parseQuantity(amount).nanos % 1_000_000_000n !== 0n) {
      causes.push(invalid(`${field}${key(name)}`, amount, 'must be an integer'));
    }
  }
}

/** An extended resource: `example.com/gpu`. It is counted in whole units and never overcommitted. */
function isExtended(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/');
}

function isWhole(name: string): boolean {
  return isExtended(name) || name.startsWith('hugepages-') || name === 'pods';
}

function isKnown(name: string): boolean {
  if (name.includes('/') || name.startsWith('hugepages-')) return true;
  return name === 'cpu' || name === 'memory' || name === 'ephemeral-storage' || name === 'pods' || name === 'storage';
}

function key(name: string): string {
  return /[./]/.test(name) ? `[${name}]` : `.${name}`;
}
