import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import type { Struct } from '../../../shared/schema/shape.ts';
import type { SharedFieldSets } from '../../store/cache/field-sets.ts';
import { addedText } from './added-text.ts';
import { compare, type Difference } from './compare.ts';
import { difference, type FieldSet, intersection, isEmpty, readFieldSet, union, unionOf } from './field-set.ts';
import { withText } from './set-text.ts';

/**
 * The manager of a write, by which `metadata.managedFields` has its entry (apimachinery, `util/managedfields`): one entry per manager,
 * operation, version and subresource. An update takes the fields that it changes from all other managers.
 */
export interface Writer {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource?: string;
  /** RFC 3339: the time of entries that this write changes. */
  readonly time: string;
}

export type Entry = ManagedFieldsEntry & { readonly fieldsV1: FieldSet };

/** The most entries of updates; the oldest of more are merged. */
const maxUpdates = 10;
const ancient = 'ancient-changes';

/** The entries of a new object. `skip`: fields of the root that the server sets, whatever the client sends. */
export function ownNew(
  root: Struct,
  object: object,
  writer: Writer,
  skip: ReadonlySet<string>,
  sets: Pick<SharedFieldSets, 'of'>,
): Entry[] | undefined {
  const text = addedText(root, object, skip);
  return text === '' ? undefined : [entryOf(writer, withText(sets.of(text), text))];
}

/**
 * The entries after an update: added and changed fields are the writer's, removed fields have no owner. Returns the same array when no
 * owner changes. An untracked object stays untracked.
 */
export function ownUpdated(
  root: Struct,
  live: object,
  next: object,
  entries: readonly Entry[],
  writer: Writer,
): readonly Entry[] {
  if (entries.length === 0) return entries;
  const diff = compare(root, live, next);
  if (!diff) return entries;
  const left = disown(entries, diff);
  const own = union(diff.modified ?? {}, diff.added ?? {});
  if (isEmpty(own)) return left;
  const at = left.findIndex((entry) => isOf(entry, writer));
  const before = left[at];
  const mine = entryOf(writer, before ? union(own, before.fieldsV1) : own);
  return inOrder(capped(before ? left.with(at, mine) : [...left, mine]));
}

/** The entries without the fields that a write takes from them, and without entries that lose all fields. */
export function disown(
  entries: readonly Entry[],
  { added = {}, modified = {}, removed = {} }: Difference,
  keep?: (entry: Entry) => boolean,
): Entry[] {
  const taken = union(modified, added);
  const left: Entry[] = [];
  for (const entry of entries) {
    if (keep?.(entry)) {
      left.push(entry);
      continue;
    }
    const lost = intersection(entry.fieldsV1, taken);
    let set = isEmpty(lost) ? entry.fieldsV1 : difference(entry.fieldsV1, lost);
    if (!isEmpty(intersection(set, removed))) set = difference(set, removed);
    if (set === entry.fieldsV1) left.push(entry);
    else if (!isEmpty(set)) left.push({ ...entry, fieldsV1: set });
  }
  return left;
}

export function entryOf({ manager, operation, apiVersion, subresource, time }: Writer, set: FieldSet): Entry {
  return {
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: set,
    ...(subresource ? { subresource } : {}),
  };
}

/** Whether the entry is the writer's; for an apply in any version. */
export function isOf(entry: Entry, writer: Writer): boolean {
  return (
    entry.manager === writer.manager &&
    entry.operation === writer.operation &&
    (entry.subresource ?? '') === (writer.subresource ?? '') &&
    (writer.operation === 'Apply' || entry.apiVersion === writer.apiVersion)
  );
}

/** By operation, time, manager, version and subresource. */
export function inOrder(entries: readonly Entry[]): Entry[] {
  const words = ({ operation = '', time = '', manager = '', apiVersion = '', subresource = '' }: Entry): string[] => [
    operation,
    time,
    manager,
    apiVersion,
    subresource,
  ];
  return [...entries].sort((a, b) => compareWords(words(a), words(b)));
}

/**
 * The entries that an update starts from: those that the client sends, if they are valid, otherwise the present ones. An empty list, or
 * one with an empty entry, resets them.
 */
export function startingEntries(
  live: readonly ManagedFieldsEntry[] | undefined,
  given: readonly ManagedFieldsEntry[] | undefined,
): readonly Entry[] {
  const present = (live ?? []) as readonly Entry[];
  if (given === undefined || given === live) return present;
  const [first] = given;
  if (first === undefined || (given.length === 1 && Object.keys(first).length === 0)) return [];
  if (sameEntries(given, present)) return present;
  return readEntries(given) ?? present;
}

/** Undefined when an entry is invalid. */
function readEntries(given: readonly ManagedFieldsEntry[]): Entry[] | undefined {
  const read = new Map<string, Entry>();
  for (const entry of given) {
    const { manager = '', operation, apiVersion = '', subresource = '', fieldsType, fieldsV1 } = entry;
    if ((operation !== 'Apply' && operation !== 'Update') || apiVersion === '' || fieldsType !== 'FieldsV1')
      return undefined;
    let set: FieldSet;
    try {
      set = readFieldSet(fieldsV1);
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
    const id = JSON.stringify([manager, operation, subresource, operation === 'Apply' ? '' : apiVersion]);
    const { time } = entry;
    read.set(id, { ...entryOf({ manager, operation, apiVersion, subresource, time: time ?? '' }, set), time });
  }
  return inOrder([...read.values()].filter((entry) => !isEmpty(entry.fieldsV1)));
}

/** Clients mostly send back the entries that they have read. */
function sameEntries(given: readonly ManagedFieldsEntry[], present: readonly Entry[]): boolean {
  return (
    given.length === present.length &&
    given.every((entry, i) => entry.fieldsV1 === present[i]?.fieldsV1 && isSame(entry, present[i]))
  );
}

function isSame(a: ManagedFieldsEntry, b: ManagedFieldsEntry | undefined): boolean {
  return (
    a.manager === b?.manager &&
    a.operation === b?.operation &&
    a.apiVersion === b?.apiVersion &&
    a.time === b?.time &&
    a.subresource === b?.subresource &&
    a.fieldsType === b?.fieldsType
  );
}

/** At most `maxUpdates` entries of updates: the oldest are merged, one per version. */
function capped(entries: readonly Entry[]): readonly Entry[] {
  const updates = entries.filter((entry) => entry.operation === 'Update');
  if (updates.length <= maxUpdates) return entries;
  // Merged entries count as the oldest, whatever their time: each version has one.
  const age = ({ time = '', manager = '', apiVersion = '', subresource = '' }: Entry): string[] => [
    manager === ancient && subresource === '' ? 'merged' : 'single',
    time,
    manager,
    apiVersion,
    subresource,
  ];
  updates.sort((a, b) => compareWords(age(a), age(b)));
  const buckets = new Map<string, Entry[]>();
  for (let i = 0, count = updates.length; i < updates.length && count > maxUpdates; i++) {
    const entry = updates[i];
    if (!entry) break;
    const version = entry.apiVersion ?? '';
    const bucket = buckets.get(version);
    if (bucket) count--;
    if (bucket) bucket.push(entry);
    else buckets.set(version, [entry]);
  }
  const out = new Set(entries);
  for (const [apiVersion, bucket] of buckets) {
    if (bucket.length < 2) continue;
    for (const entry of bucket) out.delete(entry);
    const time = bucket.findLast((entry) => entry.time !== undefined)?.time;
    const set = unionOf(bucket.map(({ fieldsV1 }) => fieldsV1));
    out.add({ ...entryOf({ manager: ancient, operation: 'Update', apiVersion, time: time ?? '' }, set), time });
  }
  return [...out];
}

function compareWords(a: readonly string[], b: readonly string[]): number {
  for (const [i, word] of a.entries()) {
    const other = b[i] ?? '';
    if (word !== other) return word < other ? -1 : 1;
  }
  return 0;
}
