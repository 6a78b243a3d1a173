import { ApiError } from '../../../shared/errors.ts';
import { isRecord } from '../../../shared/records.ts';
import type { PatchBody } from '../api.ts';

/** The longest part of a patch or its result that an error repeats, in characters. */
const longestValue = 4_096;

/** The longest part of a path that an error repeats, in characters. */
const longestPath = 1_024;

/** A path as errors show it. */
export function shownPath(path: string): string {
  return path.length > longestPath ? `${path.slice(0, longestPath)}…` : path;
}

/** The result of a patch is no valid object of its kind. */
export function invalidPatch(patch: PatchBody, patched: unknown, why: string): ApiError {
  const value = patch.type === 'strategic' ? printedMap(patch.body) : cut(JSON.stringify(patched));
  const message = `Invalid value: ${JSON.stringify(value)}: ${why}`;
  return new ApiError('Invalid', ` "" is invalid: patch: ${message}`, {
    causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }],
  });
}

/** As Go prints a value: `map[spec:map[replicas:2]]`; of a long one the beginning. */
export function printedMap(value: unknown): string {
  const out = { text: '' };
  print(value, out);
  return cut(out.text);
}

/** Stops at the longest value that an error repeats. */
function print(value: unknown, out: { text: string }): void {
  const open = Array.isArray(value) ? '[' : isRecord(value) ? 'map[' : undefined;
  if (open === undefined) {
    out.text += value === null ? '<nil>' : String(value);
    return;
  }
  out.text += open;
  let first = true;
  for (const [name, member] of membersOf(value as object)) {
    if (out.text.length > longestValue) return;
    if (!first) out.text += ' ';
    first = false;
    if (name !== undefined) out.text += `${name}:`;
    print(member, out);
  }
  out.text += ']';
}

/** An object's members in the order of their names; a list's items without names. */
function* membersOf(value: object): Generator<readonly [name: string | undefined, value: unknown]> {
  if (Array.isArray(value)) {
    for (const item of value) yield [undefined, item];
  } else {
    for (const name of Object.keys(value).sort()) yield [name, (value as Record<string, unknown>)[name]];
  }
}

function cut(text: string): string {
  return text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
}

/** A patch that does not fit the object, in Kubernetes' words, with the reason appended. */
export function unfit(why: string): ApiError {
  return new ApiError('Invalid', `the server rejected our request due to an error in our request: ${why}`);
}
