import { countValues, maxValues, tooManyInObject } from '../../../shared/schema/values.ts';
import { compare } from './compare.ts';
import { difference, type FieldSet, hasPath, intersection, isEmpty, pathsOf, union, unionOf } from './field-set.ts';
import { fieldsOf, merge, removeFields, withStructs } from './merge.ts';
import { disown, type Entry, entryOf, inOrder, isOf, type Writer } from './ownership.ts';
import type { Struct } from './shapes.ts';

/** A field that another manager owns and to which this apply would give another value. */
export interface Conflict {
  readonly entry: Entry;
  readonly path: readonly string[];
}

/**
 * The same for a client that takes an object over from client-side apply: what it applied before by that means, and nobody has
 * changed since, is no conflict. `previous`: asked only when there are conflicts.
 */
export function applyOver(
  root: Struct,
  live: object,
  config: object,
  entries: readonly Entry[],
  writer: Writer,
  force: boolean,
  previous: () => object | undefined,
): Applied {
  const outcome = applyConfig(root, live, config, entries, writer, force);
  if (outcome.type === 'applied') return outcome;
  const before = previous();
  if (!before) return outcome;
  const { added = {}, modified = {}, removed = {} } = compare(root, before, live) ?? {};
  const own = difference(fieldsOf(root, before) ?? {}, union(union(added, modified), removed));
  const conflicts = outcome.conflicts.filter(({ path }) => !hasPath(own, path));
  if (conflicts.length > 0) return { type: 'conflicts', conflicts };
  return applyConfig(root, live, config, entries, writer, true);
}

export type Applied =
  | { readonly type: 'applied'; readonly object: object; readonly entries: readonly Entry[] }
  | { readonly type: 'conflicts'; readonly conflicts: readonly Conflict[] };

/**
 * Server-side apply (structured-merge-diff, `merge/update.go`): the live object with the configuration merged in, without
 * what the writer applied before, left out now, and nobody else owns. The writer then owns just what the configuration says.
 * What others own and would get another value is a conflict, unless `force`d: then it becomes the writer's. Throws
 * RequestEntityTooLarge when both together have more values than an object may have.
 */
export function applyConfig(
  root: Struct,
  live: object,
  config: object,
  entries: readonly Entry[],
  writer: Writer,
  force: boolean,
): Applied {
  const claimed = fieldsOf(root, config) ?? {};
  const own = entries.find((entry) => isOf(entry, writer));
  const others = entries.filter((entry) => entry !== own);
  const merged = merge(root, live, config) as object;
  // What it takes to find out what goes grows with all that is there.
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
  // Applying the same again is no change, also not of the time.
  const same =
    own && own.apiVersion === writer.apiVersion && isEmptyDifference(diff) && equalSets(own.fieldsV1, claimed);
  return { type: 'applied', object, entries: inOrder([...left, same ? own : entryOf(writer, claimed)]) };
}

function conflictsOf(others: readonly Entry[], changed: FieldSet): Conflict[] {
  return others.flatMap((entry) =>
    [...pathsOf(intersection(entry.fieldsV1, changed))].map((path) => ({ entry, path })),
  );
}

/** Takes away what the writer owned and now leaves out, but not what somebody else owns. */
function pruned(root: Struct, merged: object, last: FieldSet, claimed: FieldSet, others: readonly Entry[]): object {
  if (isEmpty(difference(last, claimed))) return merged;
  const lastWide = withStructs(root, last);
  const mergedWide = withStructs(root, fieldsOf(root, merged, false) ?? {});
  const owned = unionOf([claimed, ...others.map(({ fieldsV1 }) => fieldsV1)]);
  const bare = removeFields(root, merged, lastWide) ?? {};
  const bareWide = withStructs(root, fieldsOf(root, bare, false) ?? {});
  // What others own comes back …
  const kept = removeFields(root, merged, difference(mergedWide, union(bareWide, withStructs(root, owned)))) ?? {};
  const keptWide = withStructs(root, fieldsOf(root, kept, false) ?? {});
  // … and so does what was no field of the writer's, such as what somebody else set in an item that the writer added.
  const gone = intersection(difference(mergedWide, keptWide), lastWide);
  return (removeFields(root, merged, gone) ?? {}) as object;
}

function equalSets(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

function isEmptyDifference(diff: object): boolean {
  return Object.keys(diff).length === 0;
}
