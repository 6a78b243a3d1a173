import { addQuantities, compareQuantities, subtractQuantities } from '../quantity.ts';

/** Quantities in canonical text, by the name of what they are of. */
export type Amounts = Readonly<Record<string, string>>;

/** Adds `more` to `total`, in place. */
export function addInto(total: Record<string, string>, more: Amounts | undefined): void {
  for (const name in more) {
    const amount = more[name];
    if (amount === undefined) continue;
    const had = total[name];
    total[name] = had === undefined ? amount : addQuantities(had, amount);
  }
}

/** Raises `total` to `other` wherever that is more, in place. */
export function raiseInto(total: Record<string, string>, other: Amounts): void {
  for (const name in other) {
    const amount = other[name];
    const had = total[name];
    if (amount !== undefined && (had === undefined || compareQuantities(amount, had) > 0)) total[name] = amount;
  }
}

/** What `next` is above `before`, never below zero. */
export function increaseOf(next: Amounts, before: Amounts): Record<string, string> {
  const more: Record<string, string> = {};
  for (const name in next) {
    const difference = subtractQuantities(next[name] ?? '0', before[name] ?? '0');
    more[name] = compareQuantities(difference, '0') > 0 ? difference : '0';
  }
  return more;
}

/** `cpu=1,memory=2Gi`, by name. */
export function formatAmounts(amounts: Amounts): string {
  return Object.keys(amounts)
    .sort()
    .map((name) => `${name}=${amounts[name]}`)
    .join(',');
}

/** Only the named ones. */
export function pick(amounts: Amounts, names: Iterable<string>): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const name of names) {
    const amount = amounts[name];
    if (amount !== undefined) picked[name] = amount;
  }
  return picked;
}
