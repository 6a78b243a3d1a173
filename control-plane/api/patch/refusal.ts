import { ApiError } from '../../../shared/errors.ts';
import type { PatchBody } from '../api.ts';
import { isRecord } from './merge.ts';

/** Letters of the patch, or of what it made, that an error repeats. */
const longestValue = 4_096;

/** Characters of a path that an error repeats. */
const longestPath = 1_024;

/** A path as errors show it. */
export function shownPath(path: string): string {
  return path.length > longestPath ? `${path.slice(0, longestPath)}…` : path;
}

/** What came out of a patch is no object of the kind. */
export function invalidPatch(patch: PatchBody, patched: unknown, why: string): ApiError {
  const text = patch.type === 'strategic' ? printedMap(patch.body) : JSON.stringify(patched);
  const value = text.length > longestValue ? `${text.slice(0, longestValue)}…` : text;
  const message = `Invalid value: ${JSON.stringify(value)}: ${why}`;
  return new ApiError('Invalid', ` "" is invalid: patch: ${message}`, {
    causes: [{ reason: 'FieldValueInvalid', message, field: 'patch' }],
  });
}

/** As Go prints it: `map[spec:map[replicas:2]]`. */
export function printedMap(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printedMap).join(' ')}]`;
  if (!isRecord(value)) return value === null ? '<nil>' : String(value);
  const members = Object.keys(value).sort();
  return `map[${members.map((name) => `${name}:${printedMap(value[name])}`).join(' ')}]`;
}

/**
 * A patch that does not fit the object, as Kubernetes answers it, and what does not fit. Its own answer ends before the
 * colon.
 */
export function unfit(why: string): ApiError {
  return new ApiError('Invalid', `the server rejected our request due to an error in our request: ${why}`);
}
