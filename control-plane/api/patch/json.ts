import { ApiError, isApiError } from '../../../shared/errors.ts';
import { unfit } from './refusal.ts';

/** The most operations of one patch, as in Kubernetes (`maxJSONPatchOperations`). */
const maxOperations = 10_000;
/** What `copy` may add, in characters of JSON: it can double a document each time. Kubernetes allows as much as a body may have. */
const maxCopied = 3 * 1024 * 1024;

type Container = Record<string, unknown> | unknown[];

interface Root {
  document: unknown;
  /** Characters of JSON that have been copied so far. */
  copied: number;
}

/**
 * Applies a JSON Patch (RFC 6902) to a copy of `document`. Throws BadRequest for a malformed patch and
 * Invalid for one that does not fit the document (a path that is not there, a `test` that fails).
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError('BadRequest', 'a JSON patch must be a list of operations');
  if (patch.length > maxOperations) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  }
  const root: Root = { document: structuredClone(document), copied: 0 };
  for (const step of patch) applyOperation(root, step);
  return root.document;
}

function applyOperation(root: Root, step: unknown): void {
  if (step === null || typeof step !== 'object') throw new ApiError('BadRequest', 'an operation must be an object');
  const { op, path, from, value } = step as Record<string, unknown>;
  if (typeof path !== 'string') throw new ApiError('BadRequest', 'an operation needs a path');
  switch (op) {
    case 'add':
      add(root, path, requireValue(step, value));
      return;
    case 'remove':
      remove(root, path);
      return;
    case 'replace':
      read(root, path);
      if (path === '') root.document = value;
      else set(root, path, requireValue(step, value));
      return;
    case 'move': {
      const source = requireFrom(from);
      if (path.startsWith(`${source}/`)) throw new ApiError('BadRequest', `cannot move ${source} into itself`);
      add(root, path, remove(root, source));
      return;
    }
    case 'copy':
      add(root, path, copyOf(root, read(root, requireFrom(from))));
      return;
    case 'test': {
      // What is not there is null to a test.
      const there = value === null ? readOr(root, path, null) : read(root, path);
      if (!deepEqual(there, value)) throw unfit(`testing path ${path} failed: the value is another`);
      return;
    }
    default:
      throw unfit(`unexpected kind of operation: ${JSON.stringify(op)}`);
  }
}

/** Kubernetes' words (evanphx/json-patch, AccumulatedCopySizeError). */
function copyOf(root: Root, value: unknown): unknown {
  const text = JSON.stringify(value);
  root.copied += text.length;
  if (root.copied > maxCopied) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `Request entity too large: Unable to complete the copy, the accumulated size increase of copy is ${root.copied}, exceeding the limit ${maxCopied}`,
    );
  }
  return JSON.parse(text);
}

function requireValue(step: object, value: unknown): unknown {
  if (!('value' in step)) throw new ApiError('BadRequest', 'the operation needs a value');
  return structuredClone(value);
}

function requireFrom(from: unknown): string {
  if (typeof from !== 'string') throw new ApiError('BadRequest', 'the operation needs a "from" path');
  return from;
}

/** The tokens of a JSON pointer (RFC 6901). */
function pointer(path: string): string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw unfit(`the path ${JSON.stringify(path)} must start with "/"`);
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The object or list that holds the last token of the path. */
function parentOf(root: Root, path: string): { parent: Container; last: string } {
  const tokens = pointer(path);
  const last = tokens.pop() ?? '';
  let at = root.document;
  for (const token of tokens) at = child(at, token, path);
  if (at === null || typeof at !== 'object') throw unfit(`the path ${path} does not exist`);
  return { parent: at as Container, last };
}

function child(at: unknown, token: string, path: string): unknown {
  if (Array.isArray(at)) return at[index(at, token, path)];
  if (at !== null && typeof at === 'object' && Object.hasOwn(at, token)) return (at as Record<string, unknown>)[token];
  throw unfit(`the path ${path} does not exist`);
}

/** The place that a token names among so many; -1 is the last, as Kubernetes' patches have it beyond the RFC. */
function index(list: unknown[], token: string, path: string, places = list.length): number {
  const named = /^-?(0|[1-9][0-9]{0,8})$/.test(token) ? Number(token) : Number.NaN;
  const at = named < 0 ? named + places : named;
  if (!(at >= 0 && at < places)) throw unfit(`the path ${path} does not exist: the list has ${list.length} items`);
  return at;
}

function read(root: Root, path: string): unknown {
  if (path === '') return root.document;
  const { parent, last } = parentOf(root, path);
  return child(parent, last, path);
}

function readOr(root: Root, path: string, otherwise: unknown): unknown {
  try {
    return read(root, path);
  } catch (error) {
    if (isApiError(error, 'Invalid')) return otherwise;
    throw error;
  }
}

function set(root: Root, path: string, value: unknown): void {
  const { parent, last } = parentOf(root, path);
  if (Array.isArray(parent)) parent[index(parent, last, path)] = value;
  else define(parent, last, value);
}

function add(root: Root, path: string, value: unknown): void {
  if (path === '') {
    root.document = value;
    return;
  }
  const { parent, last } = parentOf(root, path);
  if (!Array.isArray(parent)) define(parent, last, value);
  else if (last === '-') parent.push(value);
  else parent.splice(index(parent, last, path, parent.length + 1), 0, value);
}

function remove(root: Root, path: string): unknown {
  const value = read(root, path);
  if (path === '') throw unfit('the whole object cannot be removed');
  const { parent, last } = parentOf(root, path);
  if (Array.isArray(parent)) parent.splice(index(parent, last, path), 1);
  else delete parent[last];
  return value;
}

/** Sets a member by any name, `__proto__` included, as plain data. */
function define(parent: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(parent, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Equality of JSON values; the order of an object's members does not matter. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!deepEqual(a[i], b[i])) return false;
    return true;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  let count = 0;
  for (const key in left) {
    if (left[key] === undefined) continue;
    count++;
    if (!deepEqual(left[key], right[key])) return false;
  }
  for (const key in right) if (right[key] !== undefined) count--;
  return count === 0;
}
