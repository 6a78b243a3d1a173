import { messages } from '../../../shared/generated/schema.ts';
import type { PatchBody } from '../api.ts';
import { badRequest } from '../requests/refusals.ts';
import { applyJsonPatch } from './json.ts';
import { applyMergePatch, isRecord } from './merge.ts';
import { applyStrategicPatch } from './strategic.ts';

/** The value that the patch makes of `current`. `message`: the protobuf message of both. */
export function applyPatch({ message }: { readonly message: string }, current: unknown, patch: PatchBody): unknown {
  if (patch.type === 'json') return applyJsonPatch(current, patch.body);
  if (patch.type === 'merge') return applyMergePatch(current, patch.body);
  if (patch.type === 'apply') throw badRequest('an apply is not supported here');
  return ofSameKind(current, applyStrategicPatch(current, patch.body, message, messages));
}

/**
 * A strategic merge patch cannot change an object's `apiVersion` and `kind`: those in the patch are ignored, as in Kubernetes
 * (apiserver, `strategicPatchObject`).
 */
function ofSameKind(current: unknown, patched: unknown): unknown {
  if (!isRecord(current) || !isRecord(patched)) return patched;
  const { apiVersion, kind } = current;
  return { ...patched, apiVersion, kind };
}
