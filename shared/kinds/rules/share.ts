import type { StatusCause } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';
import { isPercent } from '../../schema/formats.ts';

/** A count of pods, or a share of those wanted such as "25%". */
type Share = number | string | undefined;

export function validateShare(value: Share, field: string, causes: StatusCause[]): void {
  if (typeof value === 'string') {
    const fault = isPercent(value);
    if (fault) causes.push(invalid(field, value, fault));
  } else if (value !== undefined && value < 0) {
    causes.push(invalid(field, value, 'must be greater than or equal to 0'));
  }
}

export function validateAtMostAll(value: Share, field: string, causes: StatusCause[]): void {
  if (percentOf(value) > 100) causes.push(invalid(field, value, 'must not be greater than 100%'));
}

export function isZeroShare(value: Share): boolean {
  return value === 0 || (typeof value === 'string' && percentOf(value) === 0);
}

/** NaN for what is no well-formed percentage. */
export function percentOf(value: Share): number {
  return typeof value === 'string' && isPercent(value) === undefined ? Number(value.slice(0, -1)) : Number.NaN;
}
