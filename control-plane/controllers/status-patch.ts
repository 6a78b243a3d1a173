/** A status without its counts of 0, which Kubernetes omits (of a ReplicaSet all but `replicas`). */
export function withoutZeros<T extends object>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
}

/** The body of a merge patch that replaces a status: fields of `before` that `next` lacks become null. */
export function statusPatch(before: object | undefined, next: object): object {
  const removed = Object.keys(before ?? {}).filter((name) => !Object.hasOwn(next, name));
  return { status: { ...Object.fromEntries(removed.map((name) => [name, null])), ...next } };
}
