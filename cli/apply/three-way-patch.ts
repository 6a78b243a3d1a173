import { isDeepStrictEqual } from 'node:util';
import { messages } from '../../shared/generated/schema.ts';
import type { FieldSchema } from '../../shared/schema/proto/message.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The strategic merge patch from `current` to the manifest `modified` (kubectl's three-way merge): sets fields that are missing or different
 * in `current`, removes fields that only `original`, the manifest applied last, has, and leaves all others. Undefined: nothing to change.
 * `type`: the full name of the objects' message.
 */
export function threeWayPatch(
  original: Json | undefined,
  modified: Json,
  current: Json,
  type: string,
): Json | undefined {
  const patch = patchObject(original ?? {}, modified, current, type);
  return Object.keys(patch).length > 0 ? patch : undefined;
}

function patchObject(original: Json, modified: Json, current: Json, type: string | undefined): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const [name, wanted] of Object.entries(modified)) {
    const field = fieldOf(type, name);
    const there = own(current, name);
    if (there === undefined || there === null) {
      if (wanted !== null && !isEmpty(wanted)) patch[name] = wanted;
    } else if (isObject(wanted) && isObject(there)) {
      const inner = patchObject(asObject(own(original, name)), wanted, there, field?.map ? undefined : field?.type);
      if (Object.keys(inner).length > 0) patch[name] = withRetainedKeys(inner, wanted, field);
    } else if (Array.isArray(wanted) && Array.isArray(there) && mergesLists(field)) {
      Object.assign(
        patch,
        listPatch(name, field, { original: asArray(own(original, name)), modified: wanted, current: there }),
      );
    } else if (!isDeepStrictEqual(wanted, there)) {
      patch[name] = wanted;
    }
  }
  for (const name of Object.keys(original)) {
    if (Object.hasOwn(modified, name)) continue;
    const there = own(current, name);
    if (there !== undefined && there !== null) patch[name] = null;
  }
  return patch;
}

interface ThreeLists {
  readonly original: readonly unknown[];
  readonly modified: readonly unknown[];
  readonly current: readonly unknown[];
}

/** The part of the patch for one list whose items are merged. */
function listPatch(name: string, field: FieldSchema, { original, modified, current }: ThreeLists): Json {
  const key = field.patchMergeKey;
  if (key === undefined) {
    const added = modified.filter((value) => !current.includes(value));
    const removed = original.filter((value) => !modified.includes(value) && current.includes(value));
    return {
      ...(added.length > 0 ? { [name]: added } : {}),
      ...(removed.length > 0 ? { [`$deleteFromPrimitiveList/${name}`]: removed } : {}),
    };
  }
  const find = (items: readonly unknown[], value: unknown): Json | undefined =>
    items.filter(isObject).find((item) => isDeepStrictEqual(item[key], value));
  const changes: Json[] = [];
  for (const item of modified.filter(isObject)) {
    const live = find(current, item[key]);
    if (!live) {
      changes.push(item);
      continue;
    }
    const inner = patchObject(asObject(find(original, item[key])), item, live, field.type);
    if (Object.keys(inner).length > 0) changes.push({ ...withRetainedKeys(inner, item, field), [key]: item[key] });
  }
  for (const item of original.filter(isObject)) {
    if (!find(modified, item[key]) && find(current, item[key])) changes.push({ $patch: 'delete', [key]: item[key] });
  }
  if (changes.length === 0) return {};
  const order = modified.filter(isObject).map((item) => ({ [key]: item[key] }));
  return { [name]: changes, [`$setElementOrder/${name}`]: order };
}

/** For unions (sources of a volume): `$retainKeys` removes the other members. */
function withRetainedKeys(inner: Json, wanted: Json, field: FieldSchema | undefined): Json {
  if (!field?.patchStrategy?.includes('retainKeys')) return inner;
  return { ...inner, $retainKeys: Object.keys(wanted) };
}

function mergesLists(field: FieldSchema | undefined): field is FieldSchema {
  return field?.patchStrategy?.includes('merge') === true;
}

/** An own property: a map may have keys such as `constructor`. */
function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A field of the message or of its inline messages. */
function fieldOf(type: string | undefined, name: string): FieldSchema | undefined {
  const fields = type === undefined ? undefined : messages[type]?.fields;
  if (!fields) return undefined;
  if (fields[name] && !fields[name].inline) return fields[name];
  for (const field of Object.values(fields)) {
    const found = field.inline ? fieldOf(field.type, name) : undefined;
    if (found) return found;
  }
  return undefined;
}

/** The server drops empty lists, so setting one where there is none changes nothing. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : false;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
