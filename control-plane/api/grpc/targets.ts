import { ApiError } from '../../../shared/errors.ts';
import type { KindEntry, Subresource } from '../../../shared/kinds/table.ts';
import type { Target } from '../api.ts';

/** The object that a message names. Throws BadRequest when it names none. */
export function targetOf(
  entry: KindEntry,
  { namespace, name }: { namespace?: string; name?: string },
  subresource?: Subresource,
): Target {
  return {
    entry,
    name: required(name || undefined, 'name'),
    ...(entry.namespaced ? { namespace: required(namespace || undefined, 'namespace') } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new ApiError('BadRequest', `${what} is required`);
  return value;
}
