import type { Struct } from '../../../shared/schema/shape.ts';
import { countValues, maxValues, tooManyInObject } from '../../../shared/schema/values.ts';
import { compare } from './compare.ts';
import { difference, type FieldSet, hasPath, intersection, isEmpty, pathsOf, union, unionOf } from './field-set.ts';
import { fieldsOf, merge, removeFields, withStructs } from './merge.ts';
import { disown, type Entry, entryOf, inOrder, isOf, type Writer } from './ownership.ts';

/** A field that another manager owns and to which this apply would give another value. */
export interface Conflict {
  readonly entry: Entry;
  readonly path: readonly string[];
}

/** An object with its managed fields. */
export interface Tracked {
  readonly object: object;
  readonly entries: readonly Entry[];
}

export type Applied =
  | ({ readonly type: 'applied' } & Tracked)
  | { readonly type: 'conflicts'; readonly conflicts: readonly Conflict[] };

/**
 * Server-side apply (structured-merge-diff, `merge/update.go`): merges the configuration into the live object, and removes the fields
 * that the writer applied before, omits now, and alone owns. Afterwards the writer owns the fields of the configuration. A field with
 * another owner and another value is a conflict; with `force` it becomes the writer's. Throws RequestEntityTooLarge when the merged
 * object has more values than an object may have.
 */
export function applyConfig(root: Struct, tracked: Tracked, config: object, writer: Writer, force: boolean): Applied {
  const { object: live, entries } = tracked;
  const claimed = fieldsOf(root, config) ?? {};
  const own = entries.find((entry) => isOf(entry, writer));
  const others = entries.filter((entry) => entry !== own);
  const merged = merge(root, live, config) as object;
  // The cost of pruning grows with the size of the whole object.
  const most = Math.max(maxValues, countValues(live));
  if (countValues(merged, most) > most) throw tooManyInObject();
  const object = own ? pruned(root, merged, own.fieldsV1, claimed, others) : merged;
  const diff = compare(root, live, object) ?? {};
  if (!force) {
    const conflicts = conflictsOf(others, union(diff.modified ?? {}, diff.added ?? {}));
    if (conflicts.length > 0) return { type: 'conflicts', conflicts };
  }
  const left = disown(others, diff);
  if (isEmpty(claimed)) return { type: 'applied', object, entries: left };
  // Applying the same configuration again changes nothing, not even the time.
  const same =
    own && own.apiVersion === writer.apiVersion && isEmptyDifference(diff) && equalSets(own.fieldsV1, claimed);
  return { type: 'applied', object, entries: inOrder([...left, same ? own : entryOf(writer, claimed)]) };
}

function conflictsOf(others: readonly Entry[], changed: FieldSet): Conflict[] {
  return others.flatMap((entry) =>
    [...pathsOf(intersection(entry.fieldsV1, changed))].map((path) => ({ entry, path })),
  );
}

/** Removes the fields that the writer owned and omits now, except those with other owners. */
function pruned(root: Struct, merged: object, last: FieldSet, claimed: FieldSet, others: readonly Entry[]): object {
  if (isEmpty(difference(last, claimed))) return merged;
  const lastWide = withStructs(root, last);
  const mergedWide = withStructs(root, fieldsOf(root, merged, false) ?? {});
  const owned = unionOf([claimed, ...others.map(({ fieldsV1 }) => fieldsV1)]);
  const bare = removeFields(root, merged, lastWide) ?? {};
  const bareWide = withStructs(root, fieldsOf(root, bare, false) ?? {});
  // Fields of other owners are kept …
  const kept = removeFields(root, merged, difference(mergedWide, union(bareWide, withStructs(root, owned)))) ?? {};
  const keptWide = withStructs(root, fieldsOf(root, kept, false) ?? {});
  // … and so are fields that the writer never owned, such as those another manager set in an item of the writer's.
  const gone = intersection(difference(mergedWide, keptWide), lastWide);
  return (removeFields(root, merged, gone) ?? {}) as object;
}

function equalSets(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

function isEmptyDifference(diff: object): boolean {
  return Object.keys(diff).length === 0;
}

/**
 * The same for a client that migrates from client-side apply: the fields of its last configuration that still have their values are no
 * conflict. `previous`: that configuration, called only on a conflict.
 */
export function applyOver(
  root: Struct,
  tracked: Tracked,
  config: object,
  { writer, force }: { readonly writer: Writer; readonly force: boolean },
  previous: () => object | undefined,
): Applied {
  const outcome = applyConfig(root, tracked, config, writer, force);
  if (outcome.type === 'applied') return outcome;
  const before = previous();
  if (!before) return outcome;
  const { added = {}, modified = {}, removed = {} } = compare(root, before, tracked.object) ?? {};
  const unchanged = difference(fieldsOf(root, before) ?? {}, union(union(added, modified), removed));
  const conflicts = outcome.conflicts.filter(({ path }) => !hasPath(unchanged, path));
  if (conflicts.length > 0) return { type: 'conflicts', conflicts };
  return applyConfig(root, tracked, config, writer, true);
}
