import { deepEqual } from '../patch/equal.ts';
import { type FieldSet, type Growing, member, sorted } from './field-set.ts';
import type { KeyedList, ScalarSet, Shape, Struct } from './shapes.ts';
import { elementOf, fieldValue, inOrder, isEmptyValue, itemsOf, type Json } from './values.ts';

/** Which fields differ between two objects; none is in two of the sets. Absent: none. */
export interface Difference {
  readonly added?: FieldSet;
  readonly modified?: FieldSet;
  readonly removed?: FieldSet;
}

/** What writing `next` over `live` does to fields. Either may be absent. */
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
  // An empty list or map is a value of its own: the same as nothing to what it holds, but not to who set it.
  if (isEmptyValue(live) && isEmptyValue(next)) return undefined;
  switch (shape.type) {
    case 'struct':
      return compareStructs(shape, live as Json, next as Json);
    case 'map': {
      const found = new Gathered();
      for (const name of sortedNames(live as Json, next as Json)) {
        found.take(`f:${name}`, compare(shape.value, (live as Json)[name], (next as Json)[name]));
      }
      return found.whole();
    }
    default:
      return compareLists(shape, live as unknown[], next as unknown[]);
  }
}

/**
 * All fields of a value that was not there before: those that it holds, and everything above them. Of a struct that
 * is there in any case (`within`), only what it holds; `skip`: without these of its fields.
 */
export function addedFields(
  shape: Shape,
  value: unknown,
  within = false,
  skip?: ReadonlySet<string>,
): FieldSet | undefined {
  if (value === undefined) return undefined;
  if (shape.type === 'leaf') return member;
  // The node comes first in the order of its elements: it is put in at once, and taken back when it stands alone.
  const out: Growing = within ? {} : { '.': member };
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
        // What stands there twice is owned as one.
        const once = shape.type === 'list' && !(element in out);
        out[element] = (once && addedFields(shape.item, item)) || member;
        some = true;
      }
  }
  if (some) return out;
  return within ? undefined : member;
}

function compareStructs(shape: Struct, live: Json, next: Json): Difference | undefined {
  const found = new Gathered();
  for (const field of shape.fields) {
    const [before, after] = [live[field.name], next[field.name]];
    if (before === after) continue;
    found.take(field.element, compare(field.shape, fieldValue(live, field), fieldValue(next, field)));
  }
  return found.whole();
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
  const found = new Gathered();
  for (const element of sorted([...parts.keys()])) found.take(element, parts.get(element));
  return found.whole();
}

/** What stands in a list under one element: mostly one item, before and after. */
function compareItems(item: Shape, before: readonly unknown[], after: readonly unknown[]): Difference | undefined {
  if (before.length < 2 && after.length < 2) return compare(item, before[0], after[0]);
  if (before.length > 1 && after.length > 1) return deepEqual(before, after) ? undefined : { modified: member };
  if (before.length > 1) return { ...compare(item, undefined, after[0]), removed: member };
  return { ...compare(item, before[0], undefined), added: member };
}

/** Differences of a value's parts, on their way to be one of the value. */
class Gathered {
  #added: Growing | undefined;
  #modified: Growing | undefined;
  #removed: Growing | undefined;

  take(element: string, part: Difference | undefined): void {
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

  whole(): Difference | undefined {
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
