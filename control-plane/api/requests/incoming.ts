import { isApiError } from '../../../shared/errors.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { MutateOptions, PatchBody } from '../api.ts';
import { invalidPatch } from '../patch/refusal.ts';
import { decodeBody } from './decode.ts';
import { dropRepeatedOwners } from './owner-references.ts';
import { otherName } from './refusals.ts';
import type { WriteRequest } from './request.ts';
import { settleNamespace } from './settle-namespace.ts';

/** The body of an update as an object of the kind. `present`: the object that it replaces. Throws BadRequest. */
export function decodeIncoming(
  request: WriteRequest,
  body: unknown,
  warnings: string[],
  present: KubeObject | undefined,
): KubeObject {
  const incoming = decodeNamed(request, body, request.options, warnings, present);
  dropRepeatedOwners(incoming.metadata, warnings);
  return incoming;
}

/** What a patch made of `present`. Faults are the patch's: Invalid, not BadRequest. */
export function decodePatched(
  request: WriteRequest,
  patch: PatchBody,
  patched: unknown,
  warnings: string[],
  present: KubeObject,
): KubeObject {
  const { fieldValidation, duplicates = [] } = request.options;
  const faults: string[] = [];
  let incoming: KubeObject;
  try {
    incoming = decodeNamed(request, patched, { fieldValidation: 'Warn' }, faults, present);
  } catch (error) {
    // A wrong name or namespace has no causes, and stays a BadRequest.
    if (!isApiError(error, 'BadRequest') || !error.details.causes) throw error;
    throw invalidPatch(patch, patched, error.message);
  }
  dropRepeatedOwners(incoming.metadata, faults, 'patch');
  if (fieldValidation === 'Ignore') return incoming;
  const strict = [...duplicates, ...faults];
  if (strict.length > 0 && fieldValidation === 'Strict') {
    throw invalidPatch(patch, patched, `strict decoding error: ${strict.join(', ')}`);
  }
  warnings.push(...strict);
  return incoming;
}

/** Checks that the object is the one that the URL names; a name or namespace that it lacks is set. */
function decodeNamed(
  { def, namespace, name }: WriteRequest,
  body: unknown,
  options: MutateOptions,
  warnings: string[],
  present: KubeObject | undefined,
): KubeObject {
  const incoming = decodeBody(def, body, options, warnings, present);
  const meta = incoming.metadata;
  meta.name ||= name;
  if (meta.name !== name) throw otherName(meta.name, name);
  settleNamespace(def, meta, namespace);
  return incoming;
}
