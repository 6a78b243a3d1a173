import type { PatchBody, WriteResult } from '../api.ts';
import { applyPatch } from '../patch/apply-patch.ts';
import { applyObject } from './apply.ts';
import { servedAs } from './decode.ts';
import { guardedUpdate } from './guarded-update.ts';
import { decodePatched } from './incoming.ts';
import { replacement, trackerOf } from './replacement.ts';
import { attributesOf, type WriteRequest } from './request.ts';

/** Patches an object, or with a subresource the part of the object that the subresource is. */
export async function patchObject(request: WriteRequest, patch: PatchBody): Promise<WriteResult> {
  if (patch.type === 'apply') return applyObject(request, patch.body);
  const { core, context, def } = request;
  core.authorize(context, 'patch', attributesOf(request));
  const track = trackerOf(request);
  let warned = false;
  const { object } = await guardedUpdate(
    request,
    (current) => {
      const patched = applyPatch(def.schema.patchType, servedAs(def, current), patch);
      const incoming = decodePatched(request, patch, patched, warned ? [] : context.warnings, current);
      warned = true;
      core.authorize(context, 'patch', attributesOf(request), incoming);
      return replacement(request, current, incoming, track);
    },
    'update',
  );
  return { object, outcome: 'updated' };
}
