import { isApiError } from '../../../shared/errors.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { isRecord } from '../../../shared/records.ts';
import type { WriteResult } from '../api.ts';
import { createObject } from './create.ts';
import { guardedUpdate } from './guarded-update.ts';
import { decodeIncoming } from './incoming.ts';
import { conflict, unversioned } from './refusals.ts';
import { replacement, trackerOf } from './replacement.ts';
import { attributesOf, type WriteRequest } from './request.ts';

/** How often an update that may create tries again when the object is created and deleted meanwhile. */
const maxTries = 8;

/** Replaces an object, or with a subresource the part of the object that the subresource is. */
export async function updateObject(request: WriteRequest, body: unknown): Promise<WriteResult> {
  const { def, subresource } = request;
  const { warnings } = request.context;
  const before = warnings.length;
  for (let attempt = 1; ; attempt++) {
    try {
      return { object: await updatePresent(request, body), outcome: 'updated' };
    } catch (error) {
      if (!isApiError(error, 'NotFound') || !def.createdByUpdate || subresource) throw error;
    }
    // The next try decodes the body again, with the same warnings.
    warnings.length = before;
    try {
      return await createByUpdate(request, body);
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists') || attempt >= maxTries) throw error;
    }
    warnings.length = before;
  }
}

async function updatePresent(request: WriteRequest, body: unknown): Promise<KubeObject> {
  const { core, context, def, namespace, name } = request;
  const present = core.cached(def.stored, namespace, name)?.object;
  let incoming = decodeIncoming(request, body, context.warnings, present);
  core.authorize(context, 'update', attributesOf(request), incoming);
  const track = trackerOf(request);
  let used = false;
  const { object } = await guardedUpdate(
    request,
    (current) => {
      // `replacement` changes the draft; another try needs a new one.
      if (used) incoming = decodeIncoming(request, body, [], current);
      used = true;
      if (def.updatedByVersion && (incoming.metadata.resourceVersion ?? '0') === '0') throw unversioned(def, name);
      return replacement(request, current, incoming, track);
    },
    'update',
  );
  return object;
}

/** Creates an object that an update did not find, for the kinds for which Kubernetes does. */
async function createByUpdate(request: WriteRequest, body: unknown): Promise<WriteResult> {
  const { def, name } = request;
  const sent = isRecord(body) ? body : {};
  const { uid, resourceVersion: _none, ...metadata } = isRecord(sent.metadata) ? sent.metadata : {};
  if (uid) throw conflict(def, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
  return createObject(request, { ...sent, metadata: { ...metadata, name } });
}
