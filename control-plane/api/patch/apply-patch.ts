import { isRecord } from '../../../shared/records.ts';
import type { PatchType } from '../../../shared/schema/object-schema.ts';
import type { PatchBody } from '../api.ts';
import { badRequest, noStrategicPatch } from '../requests/refusals.ts';
import { applyJsonPatch } from './json.ts';
import { applyMergePatch } from './merge.ts';
import { applyStrategicPatch } from './strategic.ts';

/** The value that the patch makes of `current`. `patchType`: of its fields. Throws UnsupportedMediaType for a strategic merge patch without one. */
export function applyPatch(patchType: PatchType | undefined, current: unknown, patch: PatchBody): unknown {
  if (patch.type === 'json') return applyJsonPatch(current, patch.body);
  if (patch.type === 'merge') return applyMergePatch(current, patch.body);
  if (patch.type === 'apply') throw badRequest('an apply is not supported here');
  if (!patchType) throw noStrategicPatch();
  return ofSameKind(current, applyStrategicPatch(current, patch.body, patchType));
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
