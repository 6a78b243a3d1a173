import { setMember } from '../../../shared/records.ts';
import type { KeyedList, ScalarSet, Shape } from '../../../shared/schema/shape.ts';
import { type FieldSet, hasChildren, isEmpty, isMember, type MutableSet, member, nodeOf, sorted } from './field-set.ts';
import { elementOf, isEmptyValue, itemsOf, type Json } from './values.ts';

/**
 * The live value merged with a configuration: scalars and atomic values are replaced, structs and maps merge, list items merge by their
 * keys. The result shares unchanged parts with both, and changes neither.
 */
export function merge(shape: Shape, live: unknown, config: unknown): unknown {
  if (config === undefined) return live;
  if (live === undefined || shape.type === 'leaf') return config;
  if (shape.type === 'struct' || shape.type === 'map') {
    if (isEmptyValue(config)) return live;
    const merged: Record<string, unknown> = { ...(live as Json) };
    for (const [name, value] of Object.entries(config as Json)) {
      const inner = shape.type === 'map' ? shape.value : shape.byName.get(name)?.shape;
      const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
      setMember(merged, name, inner ? merge(inner, before, value) : value);
    }
    return merged;
  }
  return mergeLists(shape, live as unknown[], config as unknown[]);
}

/**
 * The fields that a configuration sets, and so claims: its leaves, and its list items and map entries. The structs around them have no
 * owner. `inOrder`: false for a set that is only used for look-ups.
 */
export function fieldsOf(shape: Shape, value: unknown, inOrder = true): FieldSet | undefined {
  if (value === undefined) return undefined;
  if (shape.type === 'leaf') return member;
  const children: MutableSet = {};
  switch (shape.type) {
    case 'struct':
      for (const field of shape.fields) {
        const inner = (value as Json)[field.name];
        const empty = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && isEmptyValue(inner);
        const set = empty ? member : fieldsOf(field.shape, inner, inOrder);
        if (set) children[field.element] = set;
      }
      break;
    case 'map':
      for (const name of inOrder ? Object.keys(value as Json).sort() : Object.keys(value as Json)) {
        children[`f:${name}`] = nodeOf(true, below(shape.value, (value as Json)[name], inOrder)) ?? member;
      }
      break;
    default: {
      const items = itemsOf(shape, value as unknown[]);
      for (const element of inOrder ? sorted([...items.keys()]) : items.keys()) {
        const [first, ...more] = items.get(element) ?? [];
        const inner = shape.type === 'set' || more.length > 0 ? undefined : below(shape.item, first, inOrder);
        children[element] = nodeOf(true, inner) ?? member;
      }
    }
  }
  return isEmpty(children) ? undefined : children;
}

/** A copy of the value without the fields of a set; undefined when nothing is left. */
export function removeFields(shape: Shape, value: unknown, fields: FieldSet): unknown {
  if (shape.type === 'leaf' || value === undefined) return value;
  if (shape.type === 'struct' || shape.type === 'map') {
    const left: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value as Json)) {
      const node = fields[`f:${name}`];
      const innerShape = shape.type === 'map' ? shape.value : shape.byName.get(name)?.shape;
      if (!node || !innerShape) {
        setMember(left, name, inner);
      } else if (!isMember(node)) {
        const kept = removeFields(innerShape, inner, node);
        if (kept !== undefined) setMember(left, name, kept);
      }
    }
    return isEmpty(left as FieldSet) ? undefined : left;
  }
  const left: unknown[] = [];
  for (const item of value as unknown[]) {
    const node = fields[elementOf(shape, item)];
    if (!node) left.push(item);
    else if (!isMember(node)) left.push(shape.type === 'set' ? item : (removeFields(shape.item, item, node) ?? {}));
  }
  return left.length > 0 ? left : undefined;
}

/** The set with the structs around its fields as members, too: so that a struct goes with the last of its fields. */
export function withStructs(shape: Shape | undefined, set: FieldSet, asMember = false): FieldSet {
  // No struct is below these.
  if (shape?.type === 'set' || (shape?.type === 'map' && shape.value.type === 'leaf')) return set;
  const out: MutableSet = asMember ? { '.': member } : {};
  for (const element in set) {
    const node = set[element] ?? member;
    if (element === '.' || !hasChildren(node)) {
      out[element] = node;
      continue;
    }
    const name = element.slice(2);
    const field = shape?.type === 'struct' && element.startsWith('f:') ? shape.byName.get(name) : undefined;
    const inner =
      field?.shape ?? (shape?.type === 'map' ? shape.value : shape?.type === 'list' ? shape.item : undefined);
    out[element] = withStructs(inner, node, field !== undefined);
  }
  return out;
}

function below(shape: Shape, value: unknown, inOrder: boolean): FieldSet | undefined {
  return shape.type === 'leaf' ? undefined : fieldsOf(shape, value, inOrder);
}

/**
 * The items in the configuration's order, the others in the live order, each of which keeps its place before the next item
 * that both have (structured-merge-diff, `typed/merge.go`).
 */
function mergeLists(
  shape: KeyedList | ScalarSet,
  live: readonly unknown[],
  config: readonly unknown[],
): readonly unknown[] {
  if (config.length === 0) return live;
  const [left, right] = [live.map((item) => elementOf(shape, item)), config.map((item) => elementOf(shape, item))];
  const [liveItems, wanted] = [itemsOf(shape, live), new Set(right)];
  const shared = right.filter((element) => liveItems.has(element));
  const done = new Set<string>();
  const out: unknown[] = [];
  const merged = (at: number): unknown => {
    const items = liveItems.get(right[at] ?? '');
    // Duplicates are replaced: the key does not say which of them is meant.
    const before = items?.length === 1 ? items[0] : undefined;
    return shape.type === 'set' ? config[at] : merge(shape.item, before, config[at]);
  };
  let passed = 0;
  let next = shared[passed];
  for (let l = 0, r = 0; l < left.length || r < right.length; ) {
    const [mine, theirs] = [left[l], right[r]];
    if (mine !== undefined && mine === theirs) {
      done.add(mine);
      out.push(merged(r));
      l++;
      r++;
      next = shared[++passed];
      continue;
    }
    if (mine !== undefined && wanted.has(mine) && next !== undefined && next !== mine) {
      l++;
      continue;
    }
    if (mine !== undefined) {
      if (!wanted.has(mine)) {
        out.push(live[l]);
        l++;
        continue;
      }
      if (done.has(mine)) l++;
    }
    if (theirs !== undefined) {
      done.add(theirs);
      out.push(merged(r));
      r++;
    }
  }
  return out;
}
