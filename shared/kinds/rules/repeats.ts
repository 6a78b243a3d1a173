/** The indexes of duplicates in a list, without the first of each. */
export function repeats(list: readonly unknown[]): ReadonlySet<number> {
  const seen = new Set<unknown>();
  const places = new Set<number>();
  for (const [index, item] of list.entries()) {
    if (seen.has(item)) places.add(index);
    seen.add(item);
  }
  return places;
}
