import { isDeepStrictEqual } from 'node:util';
import { messages } from '../../shared/generated/schema.ts';
import type { FieldSchema } from '../../shared/schema/proto/message.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The strategic merge patch that brings `current` to what the manifest says (kubectl's "three-way"): sets what
 * `modified` has and `current` has not or has otherwise; removes what `original`, the manifest applied last, had and
 * `modified` has no more; leaves alone what others have set. Undefined when there is nothing to do.
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
      patchList(patch, name, asArray(own(original, name)), wanted, there, field);
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

function patchList(
  patch: Record<string, unknown>,
  name: string,
  original: readonly unknown[],
  wanted: readonly unknown[],
  there: readonly unknown[],
  field: FieldSchema,
): void {
  const key = field.patchMergeKey;
  if (key === undefined) {
    const missing = wanted.filter((value) => !there.includes(value));
    const gone = original.filter((value) => !wanted.includes(value) && there.includes(value));
    if (missing.length > 0) patch[name] = missing;
    if (gone.length > 0) patch[`$deleteFromPrimitiveList/${name}`] = gone;
    return;
  }
  const find = (items: readonly unknown[], value: unknown): Json | undefined =>
    items.filter(isObject).find((item) => isDeepStrictEqual(item[key], value));
  const changes: Json[] = [];
  for (const item of wanted.filter(isObject)) {
    const present = find(there, item[key]);
    if (!present) {
      changes.push(item);
      continue;
    }
    const inner = patchObject(asObject(find(original, item[key])), item, present, field.type);
    if (Object.keys(inner).length > 0) changes.push({ ...withRetainedKeys(inner, item, field), [key]: item[key] });
  }
  for (const item of original.filter(isObject)) {
    if (!find(wanted, item[key]) && find(there, item[key])) changes.push({ $patch: 'delete', [key]: item[key] });
  }
  if (changes.length === 0) return;
  patch[name] = changes;
  patch[`$setElementOrder/${name}`] = wanted.filter(isObject).map((item) => ({ [key]: item[key] }));
}

/** Where only one of several fields may be set (a volume's source), the others go when it changes. */
function withRetainedKeys(inner: Json, wanted: Json, field: FieldSchema | undefined): Json {
  if (!field?.patchStrategy?.includes('retainKeys')) return inner;
  return { ...inner, $retainKeys: Object.keys(wanted) };
}

function mergesLists(field: FieldSchema | undefined): field is FieldSchema {
  return field?.patchStrategy?.includes('merge') === true;
}

/** What the object itself has: a map's key may be called like what every object inherits. */
function own(object: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A field of the message, or of a message that stands inline in it. */
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

/** The server keeps neither empty lists nor empty maps: asking for one where there is none changes nothing. */
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
