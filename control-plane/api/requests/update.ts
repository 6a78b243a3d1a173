import { isApiError } from '../../../shared/errors.ts';
import { messages } from '../../../shared/generated/schema.ts';
import type { ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { Subresource } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { MutateOptions, PatchBody, RequestContext, Target } from '../api.ts';
import { timed, trackUpdate, writerOf } from '../managed-fields/tracking.ts';
import { deepEqual } from '../patch/equal.ts';
import { applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch, isRecord } from '../patch/merge.ts';
import { invalidPatch } from '../patch/refusal.ts';
import { applyStrategicPatch } from '../patch/strategic.ts';
import { applyObject } from './apply.ts';
import { attributesOf } from './attributes.ts';
import { createObject } from './create.ts';
import { checkPart, checkStatus, checkUpdate, decodeBody, servedAs } from './decode.ts';
import { isNewGeneration } from './generation.ts';
import { type Change, guardedUpdate, type Place } from './guarded-update.ts';
import { dropRepeatedOwners } from './owner-references.ts';
import { badRequest, conflict, modified, notAllowed, unversioned } from './refusals.ts';
import { settleNamespace } from './settle-namespace.ts';
import type { WriteCore } from './write-core.ts';

/** An object that comes and goes between looking and making as often as this is not worth more tries. */
const maxTries = 8;

/** Replaces an object, or with a subresource the part of it that the subresource stands for. `def`: the version that the client speaks. */
export async function updateObject(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  body: unknown,
  options: MutateOptions = {},
): Promise<KubeObject> {
  const told = context.warnings.length;
  for (let attempt = 1; ; attempt++) {
    try {
      return await updatePresent(core, context, def, target, body, options);
    } catch (error) {
      if (!isApiError(error, 'NotFound') || !def.createdByUpdate || target.subresource) throw error;
    }
    // What was said of the body is said again.
    context.warnings.length = told;
    try {
      return await createByUpdate(core, context, def, target, body, options);
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists') || attempt >= maxTries) throw error;
    }
    context.warnings.length = told;
  }
}

async function updatePresent(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  body: unknown,
  options: MutateOptions,
): Promise<KubeObject> {
  const place = placeOf(def, target);
  const present = core.cached(def.stored, target.namespace, target.name)?.object;
  let incoming = decodeIncoming(def, target, body, options, context.warnings, 'object', present);
  core.authorize(context, 'update', attributesOf(def, target), incoming);
  const own = ownedBy(core, context, def, options, target.subresource);
  let used = false;
  const outcome = await guardedUpdate(
    core,
    context,
    place,
    (current) => {
      // Deciding fills the draft in; another try needs a new one.
      if (used) incoming = decodeIncoming(def, target, body, options, [], 'object', current);
      used = true;
      if (def.updatedByVersion && (incoming.metadata.resourceVersion ?? '0') === '0') {
        throw unversioned(def, target.name);
      }
      return replacement(def, target, current, incoming, own, core.clock.now());
    },
    options.dryRun,
  );
  return outcome.object;
}

/** Makes what an update has not found, of the kinds that Kubernetes does so for. */
async function createByUpdate(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  body: unknown,
  options: MutateOptions,
): Promise<KubeObject> {
  const whole = isRecord(body) ? body : {};
  const { uid, resourceVersion: _none, ...metadata } = isRecord(whole.metadata) ? whole.metadata : {};
  if (uid) {
    throw conflict(def, target.name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: `);
  }
  const named = { ...whole, metadata: { ...metadata, name: target.name } };
  const made = await createObject(core, context, def, target.namespace, named, options);
  context.created = true;
  return made;
}

export async function patchObject(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  patch: PatchBody,
  options: MutateOptions = {},
): Promise<KubeObject> {
  if (patch.type === 'apply') return applyObject(core, context, def, target, patch.body, options);
  const place = placeOf(def, target);
  core.authorize(context, 'patch', attributesOf(def, target));
  const own = ownedBy(core, context, def, options, target.subresource);
  let warned = false;
  const outcome = await guardedUpdate(
    core,
    context,
    place,
    (current) => {
      const patched = applyPatch(def, servedAs(def, current), patch);
      const incoming = decodePatched(def, target, patch, patched, options, warned ? [] : context.warnings, current);
      warned = true;
      core.authorize(context, 'patch', attributesOf(def, target), incoming);
      return replacement(def, target, current, incoming, own, core.clock.now());
    },
    options.dryRun,
  );
  return outcome.object;
}

/** Sets who owns the fields of what replaces an object, by what the client sent as owners. */
export type OwnUpdated = (live: KubeObject, next: KubeObject, given: ObjectMeta['managedFields']) => void;

/** What an update or a patch changes becomes the client's. */
export function ownedBy(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  options: MutateOptions,
  subresource: Subresource | undefined,
): OwnUpdated {
  const writer = writerOf(def, context, options, core.clock.now(), subresource);
  return (live, next, given) => trackUpdate(def.stored, live, next, given, writer);
}

export function placeOf(def: KindDef, { namespace, name, subresource }: Target): Place {
  return { def: def.stored, namespace, name, subresource, admit: 'update' };
}

export function applyPatch(def: Pick<KindDef, 'message'>, current: unknown, patch: PatchBody): unknown {
  if (patch.type === 'json') return applyJsonPatch(current, patch.body);
  if (patch.type === 'merge') return applyMergePatch(current, patch.body);
  if (patch.type === 'apply') throw badRequest('an apply is not supported here');
  return ofSameKind(current, applyStrategicPatch(current, patch.body, def.message, messages));
}

/**
 * A strategic merge patch cannot change what kind an object is: whatever `apiVersion` and `kind` it carries are ignored, as in
 * Kubernetes, whose patched object is typed (apiserver, `strategicPatchObject`).
 */
function ofSameKind(current: unknown, patched: unknown): unknown {
  if (!isRecord(current) || !isRecord(patched)) return patched;
  const { apiVersion, kind } = current;
  return { ...patched, apiVersion, kind };
}

function decodeIncoming(
  def: KindDef,
  target: Target,
  body: unknown,
  options: MutateOptions,
  warnings: string[],
  written: 'object' | 'patch' = 'object',
  present?: KubeObject,
): KubeObject {
  const incoming = decodeBody(def, body, options, warnings, present);
  const meta = incoming.metadata;
  meta.name ||= target.name;
  if (meta.name !== target.name) {
    throw badRequest(`the name of the object (${meta.name}) does not match the name on the URL (${target.name})`);
  }
  settleNamespace(def, meta, target.namespace);
  dropRepeatedOwners(meta, warnings, written);
  return incoming;
}

/** What a patch made of an object. Whatever is wrong with it is the patch's fault: Invalid, not BadRequest. */
function decodePatched(
  def: KindDef,
  target: Target,
  patch: PatchBody,
  patched: unknown,
  options: MutateOptions,
  warnings: string[],
  present: KubeObject,
): KubeObject {
  const faults: string[] = [];
  let incoming: KubeObject;
  try {
    incoming = decodeIncoming(def, target, patched, { fieldValidation: 'Warn' }, faults, 'patch', present);
  } catch (error) {
    // A wrong name or namespace is told as such.
    if (!isApiError(error, 'BadRequest') || !error.details.causes) throw error;
    throw invalidPatch(patch, patched, error.message);
  }
  if (options.fieldValidation === 'Ignore') return incoming;
  const strict = [...(options.duplicates ?? []), ...faults];
  if (strict.length > 0 && options.fieldValidation === 'Strict') {
    throw invalidPatch(patch, patched, `strict decoding error: ${strict.join(', ')}`);
  }
  warnings.push(...strict);
  return incoming;
}

/** What becomes of `current` when `incoming` is written to it. Changes only `incoming`. */
export function replacement(
  def: KindDef,
  target: Target,
  current: KubeObject,
  incoming: KubeObject,
  own: OwnUpdated,
  now: number,
): Change {
  checkPreconditions(def, current.metadata, incoming.metadata);
  switch (target.subresource) {
    case undefined:
      return mainUpdate(def, current, incoming, own);
    case 'status':
      return statusUpdate(def, current, incoming, own, now);
    default:
      return partUpdate(def, target.subresource, current, incoming, own, now);
  }
}

export function mainUpdate(def: KindDef, current: KubeObject, incoming: KubeObject, own: OwnUpdated): Change {
  const next = incoming;
  const given = incoming.metadata.managedFields;
  next.metadata = carriedMeta(current.metadata, incoming.metadata);
  if (def.subresources.includes('status')) {
    if (current.status === undefined) delete next.status;
    else next.status = current.status;
  }
  own(current, next, given);
  def.strategy.prepareUpdate?.(next, current);
  if (isNewGeneration(def, next, current)) {
    next.metadata.generation = (current.metadata.generation ?? 0) + 1;
  }
  checkUpdate(def, next, current);
  return changed(current, next);
}

/** What of an object's metadata is written along with its status. */
export function statusMetadata(def: KindDef, { labels, annotations }: Partial<ObjectMeta>): Partial<ObjectMeta> {
  const withLabels = labels && def.stored.strategy.parts?.status?.labels;
  return { ...(withLabels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
}

function statusUpdate(def: KindDef, current: KubeObject, incoming: KubeObject, own: OwnUpdated, now: number): Change {
  const metadata = { ...current.metadata, ...statusMetadata(def, incoming.metadata) };
  const next: KubeObject = { ...current, metadata, status: incoming.status };
  def.stored.strategy.parts?.status?.prepare?.(next, current, now);
  own(current, next, undefined);
  checkStatus(def, next, current);
  return changed(current, next);
}

/** Another part that is written by itself: its kind says what belongs to it. */
function partUpdate(
  def: KindDef,
  part: Subresource,
  current: KubeObject,
  incoming: KubeObject,
  own: OwnUpdated,
  now: number,
): Change {
  const strategy = def.stored.strategy.parts?.[part];
  if (!strategy) throw notAllowed();
  const next: KubeObject = { ...incoming, metadata: carriedMeta(current.metadata, incoming.metadata) };
  strategy.prepare?.(next, current, now);
  own(current, next, incoming.metadata.managedFields);
  checkPart(def, part, next, current);
  return changed(current, next);
}

function changed(current: KubeObject, next: KubeObject): Change {
  return deepEqual(current, timed(current, next)) ? { type: 'none' } : { type: 'put', object: next };
}

export function checkPreconditions(
  def: KindDef,
  current: ObjectMeta,
  wanted: { readonly uid?: string; readonly resourceVersion?: string },
): void {
  if (wanted.uid && wanted.uid !== current.uid) {
    const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${current.uid}`;
    throw conflict(def, current.name, why);
  }
  const version = wanted.resourceVersion;
  if (version && version !== '0' && version !== current.resourceVersion) throw modified(def, current.name);
}

/** What only the server says stays as it was; labels, annotations, owners and finalizers are the client's. */
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
