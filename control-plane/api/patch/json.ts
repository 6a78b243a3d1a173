import { ApiError } from '../../../shared/errors.ts';
import { PatchedDocument } from './document.ts';
import { shownPath, unfit } from './refusal.ts';

/** The most operations of one patch, as in Kubernetes (`maxJSONPatchOperations`). */
const maxOperations = 10_000;
/** The most that `copy` may add, in characters of JSON, as each can double a document. Kubernetes allows the size of a body. */
const maxCopied = 3 * 1024 * 1024;

/**
 * Applies a JSON Patch (RFC 6902). The result shares unchanged parts with `document` and added ones with the patch; changes neither.
 * Throws BadRequest for a malformed patch, Invalid for one that does not fit the document (an absent path, a `test` that fails),
 * RequestEntityTooLarge for too many operations or copies.
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError('BadRequest', 'a JSON patch must be a list of operations');
  if (patch.length > maxOperations) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `Request entity too large: The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  }
  const patched = new PatchedDocument(document);
  const copied = { size: 0 };
  for (const step of patch) applyOperation(patched, step, copied);
  return patched.finish();
}

/** `copied`: characters of JSON that have been copied so far. */
function applyOperation(document: PatchedDocument, step: unknown, copied: { size: number }): void {
  if (step === null || typeof step !== 'object') throw new ApiError('BadRequest', 'an operation must be an object');
  const { op, path, from, value } = step as Record<string, unknown>;
  if (typeof path !== 'string') throw new ApiError('BadRequest', 'an operation needs a path');
  switch (op) {
    case 'add':
      document.add(path, requireValue(step, value));
      return;
    case 'remove':
      document.remove(path);
      return;
    case 'replace':
      document.replace(path, requireValue(step, value));
      return;
    case 'move': {
      const source = requireFrom(from);
      if (path.startsWith(`${source}/`))
        throw new ApiError('BadRequest', `cannot move ${shownPath(source)} into itself`);
      document.add(path, document.remove(source));
      return;
    }
    case 'copy':
      document.add(path, copyOf(document.text(requireFrom(from)), copied));
      return;
    case 'test': {
      // As in Kubernetes a test takes an absent member as null, but not an absent item or parent.
      const same = (value === null && document.isAbsentMember(path)) || document.is(path, value);
      if (!same) throw unfit(`testing path ${shownPath(path)} failed: the value is another`);
      return;
    }
    default:
      throw unfit(`unexpected kind of operation: ${JSON.stringify(op)}`);
  }
}

/** Kubernetes' words (evanphx/json-patch, AccumulatedCopySizeError). */
function copyOf(text: string, copied: { size: number }): unknown {
  copied.size += text.length;
  if (copied.size > maxCopied) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `Request entity too large: Unable to complete the copy, the accumulated size increase of copy is ${copied.size}, exceeding the limit ${maxCopied}`,
    );
  }
  return JSON.parse(text);
}

function requireValue(step: object, value: unknown): unknown {
  if (!('value' in step)) throw new ApiError('BadRequest', 'the operation needs a value');
  return value;
}

function requireFrom(from: unknown): string {
  if (typeof from !== 'string') throw new ApiError('BadRequest', 'the operation needs a "from" path');
  return from;
}
