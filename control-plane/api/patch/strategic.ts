import { ApiError } from '../../../shared/errors.ts';
import type { FieldSchema, MessageSchema } from '../../../shared/schema/schema.ts';
import { deepEqual } from './json.ts';
import { isRecord, setMember } from './merge.ts';
import { unfit } from './refusal.ts';

/**
 * Kubernetes' strategic merge patch (its `sig-api-machinery/strategic-merge-patch.md`): a merge patch that knows
 * from the schema which lists merge by a key. Directives, inside the patch:
 *
 *   $patch: replace | delete | merge     on an object: replace it whole, remove it, or merge (the default)
 *   $retainKeys: [a, b]                  drop all other keys of the object before merging
 *   $setElementOrder/list: […]           the order that the merged list's items are to have
 *   $deleteFromPrimitiveList/list: […]   values to take out of a list of scalars
 */
export type Schema = Readonly<Record<string, MessageSchema>>;

const order = '$setElementOrder/';
const removal = '$deleteFromPrimitiveList/';

/**
 * Applies `patch` to an object of the message type `type`. Shares what it does not change with `target`, and changes
 * neither. Throws BadRequest when the patch is malformed.
 */
export function applyStrategicPatch(target: unknown, patch: unknown, type: string, schema: Schema): unknown {
  if (!isRecord(patch)) throw new ApiError('BadRequest', 'a strategic merge patch must be an object');
  return mergeObject(isRecord(target) ? target : {}, patch, type, schema);
}

function mergeObject(
  target: Record<string, unknown>,
  patch: Record<string, unknown>,
  type: string | undefined,
  schema: Schema,
): Record<string, unknown> {
  const directive = patch.$patch;
  if (directive === 'replace') return mergeObject({}, without(patch, '$patch'), type, schema);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') {
    throw new ApiError('BadRequest', `unknown patch type: ${directive} in map: ${JSON.stringify(patch)}`);
  }
  const merged = retained(target, patch);
  for (const [name, value] of Object.entries(patch)) {
    if (name === '$patch' || name === '$retainKeys' || name.startsWith(order)) continue;
    if (name.startsWith(removal)) {
      const list = name.slice(removal.length);
      // Done before the list itself is merged, whichever stands first in the patch.
      if (!(list in patch) && Array.isArray(merged[list])) merged[list] = withoutValues(merged[list], value);
      continue;
    }
    if (value === null) {
      delete merged[name];
      continue;
    }
    const field = fieldOf(type, name, schema);
    setMember(merged, name, mergeField(merged, name, value, patch, field, schema));
  }
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(order)) continue;
    const list = name.slice(order.length);
    // An order without its list only sorts what is there.
    if (!(list in patch) && Array.isArray(merged[list])) {
      const key = fieldOf(type, list, schema)?.patchMergeKey;
      merged[list] = sorted(merged[list], merged[list], patch[name], key);
    }
  }
  return merged;
}

function mergeField(
  merged: Record<string, unknown>,
  name: string,
  value: unknown,
  patch: Record<string, unknown>,
  field: FieldSchema | undefined,
  schema: Schema,
): unknown {
  const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
  const strategies = field?.patchStrategy ?? [];
  const itemType = field && field.type in schema ? field.type : undefined;
  if (Array.isArray(value)) {
    if (!strategies.includes('merge')) return value.map((item) => plain(item));
    const removed = patch[`${removal}${name}`];
    const kept = removed === undefined ? before : withoutValues(before, removed);
    const target = Array.isArray(kept) ? kept : [];
    const list = field?.patchMergeKey
      ? mergeItems(target, value, field.patchMergeKey, itemType, schema)
      : mergeScalars(target, value);
    return sorted(list, target, patch[`${order}${name}`], field?.patchMergeKey);
  }
  if (!isRecord(value)) return value;
  if (strategies.includes('replace') || !isRecord(before)) {
    return mergeObject({}, value, field?.map ? undefined : itemType, schema);
  }
  return mergeObject(before, value, field?.map ? undefined : itemType, schema);
}

function mergeItems(
  target: readonly unknown[],
  patch: readonly unknown[],
  key: string,
  type: string | undefined,
  schema: Schema,
): unknown[] {
  const replace = patch.some((item) => isRecord(item) && item.$patch === 'replace' && !(key in item));
  const merged = replace ? [] : [...target];
  for (const item of patch) {
    if (!isRecord(item)) throw new ApiError('BadRequest', `the items of a list merged by ${key} must be objects`);
    if (item.$patch === 'replace' && !(key in item)) continue;
    const id = item[key];
    if (id === undefined) {
      throw new ApiError('BadRequest', `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    }
    const matches = (other: unknown): boolean => isRecord(other) && deepEqual(other[key], id);
    if (item.$patch === 'delete') {
      for (let i = merged.length - 1; i >= 0; i--) if (matches(merged[i])) merged.splice(i, 1);
      continue;
    }
    const at = merged.findIndex(matches);
    const before = at < 0 ? undefined : merged[at];
    const after = mergeObject(isRecord(before) ? before : {}, item, type, schema);
    if (at < 0) merged.push(after);
    else merged[at] = after;
  }
  return merged;
}

function mergeScalars(target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const merged = [...target];
  for (const value of patch) if (!merged.some((other) => deepEqual(other, value))) merged.push(value);
  return merged;
}

function withoutValues(list: unknown, values: unknown): unknown[] | undefined {
  if (!Array.isArray(values)) throw new ApiError('BadRequest', 'invalid patch format of primitive list');
  if (!Array.isArray(list)) return undefined;
  return list.filter((item) => !values.some((value) => deepEqual(value, item)));
}

/**
 * The items named by `wanted` in its order; the others, which only the server knows, keep their places
 * relative to the items that they stood beside in `before`.
 */
function sorted(list: unknown[], before: readonly unknown[], wanted: unknown, key: string | undefined): unknown[] {
  if (wanted === undefined) return list;
  if (!Array.isArray(wanted)) throw new ApiError('BadRequest', 'invalid patch format of setElementOrder list');
  const id = (item: unknown): string => JSON.stringify(key && isRecord(item) ? item[key] : item) ?? '';
  const rank = new Map(wanted.map((item, index) => [id(item), index]));
  const place = new Map(before.map((item, index) => [id(item), index]));
  const named = list
    .filter((item) => rank.has(id(item)))
    .sort((a, b) => (rank.get(id(a)) ?? 0) - (rank.get(id(b)) ?? 0));
  const others = list.filter((item) => !rank.has(id(item)));
  const out: unknown[] = [];
  for (let left = 0, right = 0; left < named.length || right < others.length; ) {
    const a = left < named.length ? place.get(id(named[left])) : undefined;
    const b = right < others.length ? place.get(id(others[right])) : undefined;
    const takeOther = left >= named.length || (a !== undefined && b !== undefined && b < a);
    out.push(takeOther ? others[right++] : named[left++]);
  }
  return out;
}

function retained(target: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const keys = patch.$retainKeys;
  if (keys === undefined) return { ...target };
  if (!Array.isArray(keys)) throw new ApiError('BadRequest', 'invalid patch format of retainKeys');
  for (const name of Object.keys(patch)) {
    if (!name.startsWith('$') && patch[name] !== null && !keys.includes(name)) {
      throw unfit("patch content doesn't match retainKeys list");
    }
  }
  return Object.fromEntries(Object.entries(target).filter(([name]) => keys.includes(name)));
}

/** A value as it stands in a patch, without directives and without members that are null. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return isRecord(value) ? mergeObject({}, value, undefined, {}) : value;
}

function without(object: Record<string, unknown>, name: string): Record<string, unknown> {
  const { [name]: _dropped, ...rest } = object;
  return rest;
}

function fieldOf(type: string | undefined, name: string, schema: Schema): FieldSchema | undefined {
  const message = type === undefined ? undefined : schema[type];
  if (!message) return undefined;
  const own = message.fields[name];
  if (own && !own.inline) return own;
  for (const field of Object.values(message.fields)) {
    const inlined = field.inline ? fieldOf(field.type, name, schema) : undefined;
    if (inlined) return inlined;
  }
  return undefined;
}
