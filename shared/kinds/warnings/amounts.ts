import type { PersistentVolumeClaimSpec } from '../../generated/types.ts';
import { parseQuantity } from '../../quantity.ts';

const milli = 1_000_000n;

/** The warning for a fractional number of bytes. */
export function fractionWarning(amount: string | undefined, field: string): string[] {
  if (amount === undefined || /^\d+(?:[KMGTPE]i|[kMGTPE])?$/.test(amount)) return [];
  const millis = (parseQuantity(amount).nanos + milli - 1n) / milli;
  if (millis % 1000n === 0n) return [];
  return [`${field}: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`];
}

export function claimSizeWarnings({ resources }: PersistentVolumeClaimSpec, field: string): string[] {
  return (['requests', 'limits'] as const).flatMap((part) =>
    fractionWarning(resources?.[part]?.storage, `${field}.resources.${part}[storage]`),
  );
}
