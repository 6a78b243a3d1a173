import type { StatusCause } from '../../generated/types.ts';
import { invalid } from '../../schema/causes.ts';
import { isPercent } from '../../schema/formats.ts';

/** A number of pods, or a percentage of all, such as "25%". Undefined: not set. */
type IntOrPercent = number | string | undefined;

export function validateIntOrPercent(value: IntOrPercent, field: string, causes: StatusCause[]): void {
  if (typeof value === 'string') {
    const fault = isPercent(value);
    if (fault) causes.push(invalid(field, value, fault));
  } else if (value !== undefined && value < 0) {
    causes.push(invalid(field, value, 'must be greater than or equal to 0'));
  }
}

export function validateAtMost100Percent(value: IntOrPercent, field: string, causes: StatusCause[]): void {
  if (percentOf(value) > 100) causes.push(invalid(field, value, 'must not be greater than 100%'));
}

export function isZero(value: IntOrPercent): boolean {
  return value === 0 || (typeof value === 'string' && percentOf(value) === 0);
}

/** The number of pods that a valid value stands for: itself, or its percentage of `of`, rounded by `round`. */
export function resolveIntOrPercent(value: number | string, of: number, round: (amount: number) => number): number {
  return typeof value === 'number' ? value : round((percentOf(value) * of) / 100);
}

/** NaN for a number, and for a text that is no percentage. */
function percentOf(value: IntOrPercent): number {
  return typeof value === 'string' && isPercent(value) === undefined ? Number(value.slice(0, -1)) : Number.NaN;
}
