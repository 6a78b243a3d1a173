import { ApiError } from '../../../shared/errors.ts';
import { isRecord, setMember } from '../../../shared/records.ts';
import type { PatchField, PatchType } from '../../../shared/schema/object-schema.ts';
import { printedMap } from './refusal.ts';

/**
 * Kubernetes' strategic merge patch (its `sig-api-machinery/strategic-merge-patch.md`): a merge patch that knows
 * from the schema which lists merge by a key. Directives, inside the patch:
 *
 *   $patch: replace | delete             on an object: replace it whole, or remove it
 *   $retainKeys: [a, b]                  drop all other keys of the object before merging
 *   $setElementOrder/list: […]           the order that the merged list's items are to have; else that of the patch
 *   $deleteFromPrimitiveList/list: […]   values to take out of a list of scalars
 */
const order = '$setElementOrder/';
const removal = '$deleteFromPrimitiveList/';

/**
 * Applies `patch` to an object of the type. Shares what it does not change with `target`, and changes
 * neither. Throws BadRequest when the patch is malformed.
 */
export function applyStrategicPatch(target: unknown, patch: unknown, type: PatchType): unknown {
  if (!isRecord(patch)) throw new ApiError('BadRequest', 'a strategic merge patch must be an object');
  return mergeObject(isRecord(target) ? target : {}, patch, type);
}

function mergeObject(
  target: Record<string, unknown>,
  patch: Record<string, unknown>,
  type: PatchType | undefined,
): Record<string, unknown> {
  const directive = patch.$patch;
  if (directive === 'replace') return plainMembers(without(patch, '$patch'));
  if (directive === 'delete') return {};
  if (directive !== undefined) throw unknownDirective(directive, patch);
  const merged = retained(target, patch);
  for (const [name, value] of Object.entries(patch)) {
    if (name === '$retainKeys' || name.startsWith(order)) continue;
    if (name.startsWith(removal)) {
      const list = name.slice(removal.length);
      // Done before the list itself is merged, whichever stands first in the patch.
      if (!Object.hasOwn(patch, list) && Array.isArray(merged[list])) merged[list] = withoutValues(merged[list], value);
      continue;
    }
    const field = type?.get(name);
    const after = value === null ? undefined : mergeField(merged, name, value, patch, field);
    if (after === undefined) delete merged[name];
    else setMember(merged, name, after);
  }
  for (const name of Object.keys(patch)) {
    if (!name.startsWith(order)) continue;
    const list = name.slice(order.length);
    // An order without its list only sorts what is there.
    if (!Object.hasOwn(patch, list) && Array.isArray(merged[list])) {
      const key = type?.get(list)?.mergeKey;
      merged[list] = ordered(merged[list], listOf(patch[name]), merged[list], key);
    }
  }
  return merged;
}

/** Undefined: the field goes. What the object has no value of the same kind for is taken from the patch as it stands there. */
function mergeField(
  merged: Record<string, unknown>,
  name: string,
  value: unknown,
  patch: Record<string, unknown>,
  field: PatchField | undefined,
): unknown {
  const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
  if (Array.isArray(value)) {
    if (!field?.strategies.includes('merge')) return plain(value);
    const removed = patch[`${removal}${name}`];
    const kept = removed === undefined ? before : withoutValues(before, removed);
    return mergeList(kept, value, patch[`${order}${name}`], field);
  }
  if (!isRecord(value) || field?.strategies.includes('replace') || !isRecord(before)) return plain(value);
  return mergeObject(before, value, field?.type);
}

function mergeList(
  target: unknown,
  patch: readonly unknown[],
  wanted: unknown,
  { mergeKey: key, type }: PatchField,
): unknown[] {
  const order = wanted === undefined ? undefined : listOf(wanted);
  if (order) checkOrder(patch, order, key);
  if (!Array.isArray(target)) {
    const added = plain(patch) as unknown[];
    return order ? ordered(added, order, [], key) : added;
  }
  const { list, place } = key ? mergeItems(target, patch, key, type) : mergeScalars(target, patch);
  const asPatched = ordered(list, patch, target, key);
  return order ? ordered(asPatched, order, place, key) : asPatched;
}

/** A merged list, and the order of the list before that a wanted order is fitted into. */
interface Merged {
  readonly list: unknown[];
  readonly place: readonly unknown[];
}

function mergeItems(
  target: readonly unknown[],
  patch: readonly unknown[],
  key: string,
  type: PatchType | undefined,
): Merged {
  const asked: Record<string, unknown>[] = [];
  const deleted = new Set<string>();
  let replace = false;
  for (const item of patch) {
    if (!isRecord(item)) throw new ApiError('BadRequest', `the items of a list merged by ${key} must be objects`);
    if (item.$patch === 'replace') replace = true;
    else if (item.$patch === 'delete') deleted.add(keyOf(item, key));
    else if (item.$patch === 'merge') throw badPatch('merging lists cannot yet be specified in the patch');
    else if (item.$patch !== undefined) throw unknownDirective(item.$patch, item);
    else asked.push(item);
  }
  if (replace) return { list: asked.map(plain), place: target };
  const merged = target.filter((item) => !deleted.has(idOf(item, key)));
  const places = firstPlaces(merged, key);
  for (const item of asked) {
    const id = keyOf(item, key);
    const at = places.get(id) ?? merged.length;
    const before = merged[at];
    places.set(id, at);
    merged[at] = isRecord(before) ? mergeObject(before, item, type) : plainMembers(item);
  }
  // What is new counts as having stood where what is deleted left places free, as in Kubernetes.
  return { list: merged, place: merged.slice(0, target.length) };
}

function mergeScalars(target: readonly unknown[], patch: readonly unknown[]): Merged {
  const all = new Map([...target, ...patch].map((value) => [idOf(value, undefined), value]));
  return { list: [...all.values()], place: target };
}

/** By what an item is found that a patch names. */
function keyOf(item: Record<string, unknown>, key: string): string {
  if (item[key] !== undefined) return idOf(item, key);
  throw badPatch(`map: ${printedMap(item)} does not contain declared merge key: ${key}`);
}

function withoutValues(list: unknown, values: unknown): unknown[] | undefined {
  if (!Array.isArray(values)) throw badPatch('invalid patch format of primitive list');
  if (!Array.isArray(list)) return undefined;
  const removed = new Set(values.map((value) => idOf(value, undefined)));
  return list.filter((item) => !removed.has(idOf(item, undefined)));
}

function listOf(wanted: unknown): readonly unknown[] {
  if (!Array.isArray(wanted)) throw badPatch('invalid patch format of setElementOrder list');
  return wanted;
}

/** The items of a patch must stand in the order that it asks for. */
function checkOrder(patch: readonly unknown[], wanted: readonly unknown[], key: string | undefined): void {
  const named = patch.filter((item) => !isRecord(item) || item.$patch === undefined);
  if (wanted.length === 0) return;
  const ids = idsOf(named, key);
  let next = 0;
  for (const id of idsOf(wanted, key)) if (id === ids[next]) next++;
  if (next === named.length) return;
  const lists = `The order in patch list:\n${printedMap(patch)}\n doesn't match $setElementOrder list:\n${printedMap(wanted)}\n`;
  throw badPatch(lists);
}

/**
 * The items that `wanted` names in its order; the others, which only the server knows, keep their places relative to those
 * that they stood beside in `before`, and come after what is new.
 */
function ordered(
  list: readonly unknown[],
  wanted: readonly unknown[],
  before: readonly unknown[],
  key: string | undefined,
): unknown[] {
  const rank = firstPlaces(wanted, key);
  const place = firstPlaces(before, key);
  const named: Ranked[] = [];
  const others: Ranked[] = [];
  for (const [index, id] of idsOf(list, key).entries()) {
    const at = rank.get(id);
    const ranked = { item: list[index], rank: at ?? 0, place: place.get(id) };
    (at === undefined ? others : named).push(ranked);
  }
  named.sort((a, b) => a.rank - b.rank);
  const out: unknown[] = [];
  for (let left = 0, right = 0; left < named.length || right < others.length; ) {
    const [a, b] = [named[left], others[right]];
    const takeOther = !a || (a.place !== undefined && b?.place !== undefined && b.place < a.place);
    out.push((takeOther ? b : a)?.item);
    if (takeOther) right++;
    else left++;
  }
  return out;
}

/** `rank`: its place in the wanted order. `place`: that in the order before; undefined when it was not there. */
interface Ranked {
  readonly item: unknown;
  readonly rank: number;
  readonly place: number | undefined;
}

function firstPlaces(list: readonly unknown[], key: string | undefined): Map<string, number> {
  const places = new Map<string, number>();
  for (const [index, id] of idsOf(list, key).entries()) {
    if (!places.has(id)) places.set(id, index);
  }
  return places;
}

/** Made once for each list: an id may be as long as the item. */
function idsOf(list: readonly unknown[], key: string | undefined): string[] {
  return list.map((item) => idOf(item, key));
}

function idOf(item: unknown, key: string | undefined): string {
  return JSON.stringify(key && isRecord(item) ? item[key] : item) ?? '';
}

function retained(target: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const keys = patch.$retainKeys;
  if (keys === undefined) return { ...target };
  const written = Object.keys(patch).filter((name) => !name.startsWith('$') && patch[name] !== null);
  const kept = new Set<unknown>(Array.isArray(keys) ? keys : []);
  if (!Array.isArray(keys) || written.some((name) => !kept.has(name))) {
    throw badPatch('invalid patch format of retainKeys');
  }
  return Object.fromEntries(Object.entries(target).filter(([name]) => kept.has(name)));
}

/** A value as it stands in a patch, without members that are null and without what is there for a directive. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain).filter((item) => item !== undefined);
  if (!isRecord(value)) return value;
  return value.$patch === undefined ? plainMembers(value) : undefined;
}

function plainMembers(value: Record<string, unknown>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === null || name === '$retainKeys' || name.startsWith(order) || name.startsWith(removal)) continue;
    const after = plain(member);
    if (after !== undefined) setMember(out, name, after);
  }
  return out;
}

function unknownDirective(directive: unknown, patch: Record<string, unknown>): ApiError {
  return badPatch(`unknown patch type: ${printedMap(directive)} in map: ${printedMap(patch)}`);
}

/** Kubernetes answers some of these with a 500. */
function badPatch(why: string): ApiError {
  return new ApiError('BadRequest', why);
}

function without(object: Record<string, unknown>, name: string): Record<string, unknown> {
  const { [name]: _dropped, ...rest } = object;
  return rest;
}
