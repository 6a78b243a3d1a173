import { isDeepStrictEqual } from 'node:util';
import type { Client } from '../../shared/client.ts';
import type { KindMap } from '../../shared/generated/types.ts';
import { type KubeObject, keyOf } from '../../shared/object.ts';
import type { Expectations } from './expectations.ts';

/** A status without its counts of 0, which Kubernetes omits (of a ReplicaSet all but `replicas`). */
export function withoutZeros<T extends object>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
}

/** The body of a merge patch that replaces a status: fields of `before` that `next` lacks become null. */
export function statusPatch(before: object | undefined, next: object): object {
  const removed = Object.keys(before ?? {}).filter((name) => !Object.hasOwn(next, name));
  return { status: { ...Object.fromEntries(removed.map((name) => [name, null])), ...next } };
}

/** The kinds whose status a controller writes by a patch. */
type WithStatus = {
  [K in keyof KindMap]: KindMap[K] extends KubeObject & { status?: object } ? K : never;
}[keyof KindMap];

/**
 * Stores a status that differs from the owner's. Rejects with Conflict when the owner has changed since it was read: the status may be
 * out of date.
 */
export async function writeStatus<K extends WithStatus>(
  client: Pick<Client, 'patch'>,
  expectations: Expectations,
  kind: K,
  owner: KindMap[K] & { readonly status?: object },
  status: object,
): Promise<void> {
  if (isDeepStrictEqual(status, owner.status)) return;
  const { name, namespace, resourceVersion } = owner.metadata;
  const body = { metadata: { resourceVersion }, ...statusPatch(owner.status, status) };
  const written = await client.patch(kind, name, { type: 'merge', body }, { namespace, subresource: 'status' });
  expectations.expect(keyOf(owner), written);
}
