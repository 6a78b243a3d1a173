import type { KeyedList, ScalarSet, Shape, Struct } from '../../../shared/schema/shape.ts';
import { deepEqual } from '../patch/equal.ts';
import { type FieldSet, type MutableSet, member, sorted } from './field-set.ts';
import { elementOf, fieldValue, inOrder, isEmptyValue, itemsOf, type Json } from './values.ts';

/** The fields that differ between two objects, each in one of the sets. Absent: none. */
export interface Difference {
  readonly added?: FieldSet;
  readonly modified?: FieldSet;
  readonly removed?: FieldSet;
}

/** The changes from `live` to `next`; undefined for none. Either value may be absent. */
export function compare(shape: Shape, live: unknown, next: unknown): Difference | undefined {
  if (live === next) return undefined;
  if (live === undefined) {
    const added = addedFields(shape, next);
    return added && { added };
  }
  if (next === undefined) {
    const removed = addedFields(shape, live);
    return removed && { removed };
  }
  if (shape.type === 'leaf') return deepEqual(live, next) ? undefined : { modified: member };
  // Two empty values do not differ.
  if (isEmptyValue(live) && isEmptyValue(next)) return undefined;
  switch (shape.type) {
    case 'struct':
      return compareStructs(shape, live as Json, next as Json);
    case 'map': {
      const found = new DifferenceBuilder();
      for (const name of sortedNames(live as Json, next as Json)) {
        found.add(`f:${name}`, compare(shape.value, (live as Json)[name], (next as Json)[name]));
      }
      return found.build();
    }
    default:
      return compareLists(shape, live as unknown[], next as unknown[]);
  }
}

/**
 * All fields of an added value: its leaves and their parents. `within`: the value is a struct that is always present, and itself no
 * member. `skip`: fields of the root to omit.
 */
export function addedFields(
  shape: Shape,
  value: unknown,
  within = false,
  skip?: ReadonlySet<string>,
): FieldSet | undefined {
  if (value === undefined) return undefined;
  if (shape.type === 'leaf') return member;
  // The node itself comes first in the order of elements.
  const out: MutableSet = within ? {} : { '.': member };
  let some = false;
  switch (shape.type) {
    case 'struct':
      for (const field of shape.fields) {
        const inner = (value as Json)[field.name];
        if (inner === undefined && (within || field.always === undefined)) continue;
        if (skip?.has(field.name)) continue;
        const node = addedFields(field.shape, inner ?? field.always, within && field.always !== undefined);
        if (node === undefined) continue;
        out[field.element] = node;
        some = true;
      }
      break;
    case 'map': {
      const names = Object.keys(value as Json);
      if (names.length > 1) names.sort();
      for (const name of names) {
        out[`f:${name}`] = addedFields(shape.value, (value as Json)[name]) ?? member;
        some = true;
      }
      break;
    }
    default:
      for (const item of inOrder(shape, value as unknown[])) {
        const element = elementOf(shape, item);
        // Duplicates are one element.
        const once = shape.type === 'list' && !(element in out);
        out[element] = (once && addedFields(shape.item, item)) || member;
        some = true;
      }
  }
  if (some) return out;
  return within ? undefined : member;
}

function compareStructs(shape: Struct, live: Json, next: Json): Difference | undefined {
  const found = new DifferenceBuilder();
  for (const field of shape.fields) {
    const [before, after] = [live[field.name], next[field.name]];
    if (before === after) continue;
    found.add(field.element, compare(field.shape, fieldValue(live, field), fieldValue(next, field)));
  }
  return found.build();
}

function compareLists(
  shape: KeyedList | ScalarSet,
  live: readonly unknown[],
  next: readonly unknown[],
): Difference | undefined {
  if (deepEqual(live, next)) return undefined;
  const [left, right] = [itemsOf(shape, live), itemsOf(shape, next)];
  const item: Shape = shape.type === 'set' ? { type: 'leaf' } : shape.item;
  const parts = new Map<string, Difference>();
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const part = compareItems(item, left.get(element) ?? [], right.get(element) ?? []);
    if (part) parts.set(element, part);
  }
  const found = new DifferenceBuilder();
  for (const element of sorted([...parts.keys()])) found.add(element, parts.get(element));
  return found.build();
}

/** Compares the items with one element: mostly one before and one after. */
function compareItems(item: Shape, before: readonly unknown[], after: readonly unknown[]): Difference | undefined {
  if (before.length < 2 && after.length < 2) return compare(item, before[0], after[0]);
  if (before.length > 1 && after.length > 1) return deepEqual(before, after) ? undefined : { modified: member };
  if (before.length > 1) return { ...compare(item, undefined, after[0]), removed: member };
  return { ...compare(item, before[0], undefined), added: member };
}

/** Collects the differences of a value's parts. */
class DifferenceBuilder {
  #added: MutableSet | undefined;
  #modified: MutableSet | undefined;
  #removed: MutableSet | undefined;

  add(element: string, part: Difference | undefined): void {
    if (!part) return;
    const { added, modified, removed } = part;
    if (added) {
      this.#added ??= {};
      this.#added[element] = added;
    }
    if (modified) {
      this.#modified ??= {};
      this.#modified[element] = modified;
    }
    if (removed) {
      this.#removed ??= {};
      this.#removed[element] = removed;
    }
  }

  build(): Difference | undefined {
    if (!this.#added && !this.#modified && !this.#removed) return undefined;
    return {
      ...(this.#added ? { added: this.#added } : {}),
      ...(this.#modified ? { modified: this.#modified } : {}),
      ...(this.#removed ? { removed: this.#removed } : {}),
    };
  }
}

function sortedNames(a: Json, b: Json): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}
