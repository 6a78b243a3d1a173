import type { ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { timed, trackUpdate, writerOf } from '../managed-fields/tracking.ts';
import { deepEqual } from '../patch/equal.ts';
import { checkPart, checkStatus, checkUpdate } from './decode.ts';
import { isNewGeneration } from './generation.ts';
import type { Change, Draft } from './guarded-update.ts';
import { checkPreconditions } from './preconditions.ts';
import { notAllowed } from './refusals.ts';
import type { WriteRequest } from './request.ts';

/** Sets the managed fields of `next`, which replaces `live`. `given`: those that the client sent. */
export type TrackFields = (live: KubeObject, next: KubeObject, given: ObjectMeta['managedFields']) => void;

/** The client manages the fields that its update or patch changes. */
export function trackerOf(request: WriteRequest): TrackFields {
  const { def, core } = request;
  const writer = writerOf(request, core.clock.now());
  return (live, next, given) => trackUpdate(def.stored, live, next, given, writer);
}

/**
 * What becomes of `current` when `incoming` is written to it. As in Kubernetes, the client's fields are tracked before admission plugins
 * mutate the object, and the kind's strategy prepares and validates it afterwards; only of a part, such as the status, the fields are
 * tracked last. Changes only `incoming`. Throws Conflict; `finish` throws Invalid.
 */
export function replacement(
  request: WriteRequest,
  current: KubeObject,
  incoming: KubeObject,
  track: TrackFields,
): Draft {
  const { def, subresource } = request;
  checkPreconditions(def, current.metadata, incoming.metadata);
  switch (subresource) {
    case undefined:
    case 'scale':
      return objectUpdate(def, current, incoming, track);
    case 'status':
      return statusUpdate(request, current, incoming, track);
    default:
      return partUpdate(request, current, incoming, track);
  }
}

/** An update of the object itself, which leaves its status as it is. */
function objectUpdate(def: KindDef, current: KubeObject, next: KubeObject, track: TrackFields): Draft {
  const given = next.metadata.managedFields;
  next.metadata = carriedMeta(current.metadata, next.metadata);
  if (def.subresources.includes('status')) {
    if (current.status === undefined) delete next.status;
    else next.status = current.status;
  }
  track(current, next, given);
  return {
    type: 'draft',
    object: next,
    finish() {
      def.strategy.prepareUpdate?.(next, current);
      if (isNewGeneration(def, next, current)) {
        next.metadata.generation = (current.metadata.generation ?? 0) + 1;
      }
      checkUpdate(def, next, current);
      return changed(current, next);
    },
  };
}

/** The metadata that is written along with a status. */
export function statusMetadata(def: KindDef, { labels, annotations }: Partial<ObjectMeta>): Partial<ObjectMeta> {
  const withLabels = labels && def.stored.strategy.parts?.status?.labels;
  return { ...(withLabels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
}

function statusUpdate(
  { core, def }: WriteRequest,
  current: KubeObject,
  incoming: KubeObject,
  track: TrackFields,
): Draft {
  const metadata = { ...current.metadata, ...statusMetadata(def, incoming.metadata) };
  const next: KubeObject = { ...current, metadata, status: incoming.status };
  return {
    type: 'draft',
    object: next,
    finish() {
      def.stored.strategy.parts?.status?.prepare?.(next, current, core.clock.now());
      track(current, next, undefined);
      checkStatus(def, next, current);
      return changed(current, next);
    },
  };
}

/** Another part that is written by itself: the kind's strategy restores the rest of the object. */
function partUpdate(
  { core, def, subresource }: WriteRequest,
  current: KubeObject,
  incoming: KubeObject,
  track: TrackFields,
): Draft {
  const part = subresource && def.stored.strategy.parts?.[subresource];
  if (!part) throw notAllowed();
  const next: KubeObject = { ...incoming, metadata: carriedMeta(current.metadata, incoming.metadata) };
  return {
    type: 'draft',
    object: next,
    finish() {
      part.prepare?.(next, current, core.clock.now());
      track(current, next, incoming.metadata.managedFields);
      checkPart(def, subresource, next, current);
      return changed(current, next);
    },
  };
}

function changed(current: KubeObject, next: KubeObject): Change {
  return deepEqual(current, timed(current, next)) ? { type: 'none' } : { type: 'put', object: next };
}

/** Labels, annotations, owners and finalizers are the client's; all other metadata stays. */
function carriedMeta(current: ObjectMeta, incoming: ObjectMeta): ObjectMeta {
  const meta: ObjectMeta = { ...current };
  setOrDelete(meta, 'labels', incoming.labels);
  setOrDelete(meta, 'annotations', incoming.annotations);
  setOrDelete(meta, 'ownerReferences', incoming.ownerReferences?.length ? incoming.ownerReferences : undefined);
  setOrDelete(meta, 'finalizers', incoming.finalizers?.length ? incoming.finalizers : undefined);
  return meta;
}

function setOrDelete<K extends keyof ObjectMeta>(meta: ObjectMeta, name: K, value: ObjectMeta[K] | undefined): void {
  if (value === undefined) delete meta[name];
  else meta[name] = value;
}
