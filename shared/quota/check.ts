import type { ResourceQuota } from '../generated/types.ts';
import type { KindEntry } from '../kinds/table.ts';
import type { KubeObject } from '../object.ts';
import { compareQuantities } from '../quantity.ts';
import { type Amounts, addInto, formatAmounts, increaseOf, pick } from './amounts.ts';
import { constraintOf, counts, isCounted, usageOf } from './usage.ts';

/** The result of a quota for an object: no match, the new usage, or the reason of a refusal (in Kubernetes' words). */
export type Verdict =
  | { readonly type: 'unmatched' }
  | { readonly type: 'allowed'; readonly used: Amounts }
  | { readonly type: 'refused'; readonly why: string };

type Kind = Pick<KindEntry, 'kind' | 'group' | 'plural'>;

/** Whether a quota, as its controller last wrote it, counts objects of the kind. */
export function covers({ status }: ResourceQuota, kind: Kind): boolean {
  for (const name in status?.hard) if (counts(name, kind)) return true;
  return false;
}

/** Adds the usage of a new object, or of what an update adds to `old`. */
export function checkQuota(
  quota: ResourceQuota,
  kind: Kind,
  object: KubeObject,
  old: KubeObject | undefined,
  now: number,
): Verdict {
  const { hard = {}, used = {} } = quota.status ?? {};
  const names = Object.keys(hard).filter((name) => counts(name, kind));
  if (names.length === 0 || !isCounted(quota, kind, object)) return { type: 'unmatched' };
  const { name } = quota.metadata;
  const fault = constraintOf(kind, object, names);
  if (fault) return { type: 'refused', why: `failed quota: ${name}: ${fault}` };
  if (names.some((one) => used[one] === undefined)) {
    return { type: 'refused', why: `status unknown for quota: ${name}, resources: ${names.sort().join(',')}` };
  }
  const usage = pick(usageOf(kind, object, now), names);
  const counted = old !== undefined && isCounted(quota, kind, old);
  const requested = withoutZeros(counted ? increaseOf(usage, usageOf(kind, old, now)) : usage);
  if (Object.keys(requested).length === 0) return { type: 'unmatched' };
  const next = { ...used };
  addInto(next, requested);
  const exceeded = Object.keys(requested).filter((one) => compareQuantities(next[one] ?? '0', hard[one] ?? '0') > 0);
  if (exceeded.length === 0) return { type: 'allowed', used: next };
  const [asked, had, limits] = [requested, used, hard].map((amounts) => formatAmounts(pick(amounts, exceeded)));
  return { type: 'refused', why: `exceeded quota: ${name}, requested: ${asked}, used: ${had}, limited: ${limits}` };
}

function withoutZeros(amounts: Amounts): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => compareQuantities(amount, '0') !== 0));
}
