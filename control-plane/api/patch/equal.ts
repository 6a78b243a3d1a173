/**
 * Equality of JSON values in any order of members; a member that is undefined counts as absent. `listOf`: the items of a list of `a`, for
 * lists whose items are kept elsewhere.
 */
export function deepEqual(a: unknown, b: unknown, listOf?: (list: readonly unknown[]) => readonly unknown[]): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b)) return false;
    const items = listOf ? listOf(a) : a;
    if (items.length !== b.length) return false;
    for (let i = 0; i < items.length; i++) if (!deepEqual(items[i], b[i], listOf)) return false;
    return true;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  let count = 0;
  for (const key in left) {
    if (left[key] === undefined) continue;
    count++;
    if (!deepEqual(left[key], right[key], listOf)) return false;
  }
  for (const key in right) if (right[key] !== undefined) count--;
  return count === 0;
}
