import type { KeyedList, ScalarSet, StructField } from '../../../shared/schema/shape.ts';
import { compareValues, keyElement, valueElement } from './field-set.ts';

export type Json = Readonly<Record<string, unknown>>;

/** The value of a field, including the empty one that Kubernetes' Go type always has. */
export function fieldValue(object: Json, field: StructField): unknown {
  const value = object[field.name];
  return value === undefined ? field.always : value;
}

/** A list's items by their elements in a field set, duplicates included. Unordered. */
export function itemsOf(shape: KeyedList | ScalarSet, list: readonly unknown[] | undefined): Map<string, unknown[]> {
  const items = new Map<string, unknown[]>();
  for (const item of list ?? []) {
    const element = elementOf(shape, item);
    const same = items.get(element);
    if (same) same.push(item);
    else items.set(element, [item]);
  }
  return items;
}

export function elementOf(shape: KeyedList | ScalarSet, item: unknown): string {
  if (shape.type === 'set') return valueElement(item);
  const [only] = shape.keys;
  if (shape.keys.length === 1 && only) {
    const value = (item as Json)[only.name] ?? only.default;
    return keyElement(value === undefined ? [] : [[only.name, value]]);
  }
  const pairs: Array<[string, unknown]> = [];
  for (const { name, default: otherwise } of shape.keys) {
    const value = (item as Json)[name] ?? otherwise;
    if (value !== undefined) pairs.push([name, value]);
  }
  return keyElement(pairs);
}

/** A list's items in the order of field sets. */
export function inOrder(shape: KeyedList | ScalarSet, list: readonly unknown[]): readonly unknown[] {
  if (list.length < 2) return list;
  if (shape.type === 'set') return [...list].sort(compareValues);
  return [...list].sort((a, b) => {
    for (const { name, default: otherwise } of shape.keys) {
      const order = compareValues((a as Json)[name] ?? otherwise, (b as Json)[name] ?? otherwise);
      if (order !== 0) return order;
    }
    return 0;
  });
}

export function isEmptyValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  for (const name in value as Json) if ((value as Json)[name] !== undefined) return false;
  return true;
}
