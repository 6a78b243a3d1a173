import { isApiError } from '../../../shared/errors.ts';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { warningsOf } from '../../../shared/schema/proto/decode.ts';
import { objectKey } from '../../store/keys.ts';
import type { WriteResult } from '../api.ts';
import { applyOver } from '../managed-fields/apply.ts';
import { lastApplied, withLastApplied } from '../managed-fields/last-applied.ts';
import type { Entry, Writer } from '../managed-fields/ownership.ts';
import { beforeFirstApply, resetOf, setEntries, writerOf } from '../managed-fields/tracking.ts';
import { type ApplyConfig, lastConfig, readConfig } from './apply-config.ts';
import { createObject } from './create.ts';
import { decodeBody } from './decode.ts';
import { guardedUpdate } from './guarded-update.ts';
import { checkPreconditions } from './preconditions.ts';
import { applyConflict, badRequest, conflict, modified } from './refusals.ts';
import { replacement, statusMetadata } from './replacement.ts';
import { attributesOf, type WriteRequest } from './request.ts';

/** How often an apply tries again when the object is created and deleted meanwhile. */
const maxTries = 8;

/**
 * Server-side apply: creates the object, or merges the configuration into it (`managed-fields/apply.ts`). Throws Conflict with a
 * cause for each field that another manager owns, unless the options force it.
 */
export async function applyObject(request: WriteRequest, body: unknown): Promise<WriteResult> {
  const { core, context, subresource, options } = request;
  core.authorize(context, 'patch', attributesOf(request));
  const config = readConfig(request, body);
  const strict = options.duplicates ?? [];
  if (strict.length > 0 && options.fieldValidation === 'Strict') {
    throw badRequest(`error strict decoding YAML: ${strict.join(', ')}`);
  }
  if (options.fieldValidation !== 'Ignore') context.warnings.push(...strict.flatMap(warningsOf));
  const writer = writerOf(request, core.clock.now(), 'Apply');
  for (let attempt = 1; ; attempt++) {
    try {
      return { object: await applyToPresent(request, config, writer), outcome: 'updated' };
    } catch (error) {
      if (!isApiError(error, 'NotFound') || subresource || (await exists(request))) throw error;
    }
    try {
      return await applyAsNew(request, config, writer);
    } catch (error) {
      // Another client has created the object meanwhile: merge into that.
      if (!isApiError(error, 'AlreadyExists') || attempt >= maxTries) throw error;
    }
  }
}

/** Merges a configuration into an object that must exist. Returns the object. Throws as `applyObject`. */
export async function applyToPresent(
  request: WriteRequest,
  config: ApplyConfig,
  writer: Writer = writerOf(request, request.core.clock.now(), 'Apply'),
): Promise<KubeObject> {
  const { core, context, def } = request;
  const { object } = await guardedUpdate(
    request,
    (current) => {
      checkPreconditions(def, current.metadata, config);
      const { object: wanted, entries } = merged(request, current, config, writer);
      const next = decodeBody(def.stored, wanted, { fieldValidation: 'Ignore' }, [], current);
      core.authorize(context, 'patch', attributesOf(request), next);
      return replacement(request, current, next, (_live, draft) => setEntries(draft, entries));
    },
    'update',
  );
  return object;
}

async function applyAsNew(request: WriteRequest, config: ApplyConfig, writer: Writer): Promise<WriteResult> {
  const { def, name } = request;
  if (config.uid) {
    const why = `uid mismatch: the provided object specified uid ${config.uid}, and no existing object was found`;
    throw conflict(def, name, why);
  }
  if (config.resourceVersion && config.resourceVersion !== '0') throw modified(def, name);
  const empty = { apiVersion: config.object.apiVersion, kind: config.object.kind, metadata: {} } as KubeObject;
  const { force: _force, duplicates: _duplicates, ...options } = request.options;
  const { object, entries } = merged({ ...request, options: { force: true } }, empty, config, writer);
  const named = { ...object, metadata: { ...object.metadata, name } };
  const create: WriteRequest = { ...request, def: def.stored, options };
  return createObject(create, named, (draft) => setEntries(draft, entries));
}

function merged(
  request: WriteRequest,
  current: KubeObject,
  config: ApplyConfig,
  writer: Writer,
): { object: KubeObject; entries: readonly ManagedFieldsEntry[] } {
  const { core, def, options } = request;
  const root = def.stored.schema.ownedShape;
  const entries =
    (current.metadata.managedFields as readonly Entry[] | undefined) ??
    beforeFirstApply(def.stored, current, writer, core.fieldSets);
  const wanted = partOf(request, config.object);
  const handover = writer.manager === 'kubectl' ? current.metadata.annotations?.[lastApplied] : undefined;
  const { force = false } = options;
  const outcome = applyOver(root, { object: current, entries }, wanted, { writer, force }, () =>
    lastConfig(def, handover),
  );
  if (outcome.type === 'conflicts') throw applyConflict(outcome.conflicts);
  const object = outcome.object as KubeObject;
  const synced = writer.manager === 'kubectl' ? withLastApplied(object, config.sent) : object;
  return { object: synced, entries: outcome.entries };
}

/** The part of a configuration that the request writes: the status only by its subresource, and by that nothing else. */
function partOf({ def, subresource }: WriteRequest, object: KubeObject): KubeObject {
  const { metadata, ...rest } = object;
  const kept = subresource === 'status' ? statusMetadata(def, metadata) : metadata;
  const reset = resetOf(def.stored);
  const written = (name: string): boolean =>
    subresource === 'status' ? name === 'status' : subresource !== undefined || !reset.has(name);
  const fields = Object.fromEntries(Object.entries(rest).filter(([name]) => written(name)));
  // Empty metadata has no field to manage.
  return { ...fields, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) } as unknown as KubeObject;
}

async function exists({ core, def, namespace, name }: WriteRequest): Promise<boolean> {
  return (await core.fresh(objectKey(def.stored, namespace, name))) !== undefined;
}
