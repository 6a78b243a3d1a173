/** Counts of nothing are left out of a status, as Kubernetes does: `replicas` is the one that it always tells of ReplicaSets. */
export function withoutZeros<T extends object>(counts: T): Partial<T> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) as Partial<T>;
}

/** The body of a merge patch that makes `next` of a status, what it has no more included. */
export function statusPatch(before: object | undefined, next: object): object {
  const gone = Object.keys(before ?? {}).filter((name) => !Object.hasOwn(next, name));
  return { status: { ...Object.fromEntries(gone.map((name) => [name, null])), ...next } };
}
