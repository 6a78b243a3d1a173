import { isApiError } from '../../../shared/errors.ts';
import type { ManagedFieldsEntry } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { decodeObject, warningsOf } from '../../../shared/schema/decode.ts';
import { objectKey } from '../../store/keys.ts';
import type { MutateOptions, RequestContext, Target } from '../api.ts';
import { applyOver } from '../managed-fields/apply.ts';
import { lastApplied, withLastApplied } from '../managed-fields/last-applied.ts';
import type { Entry, Writer } from '../managed-fields/ownership.ts';
import { rootShape } from '../managed-fields/shapes.ts';
import { beforeFirstApply, resetOf, setEntries, writerOf } from '../managed-fields/tracking.ts';
import { typedFaults } from '../managed-fields/typed-faults.ts';
import { isRecord } from '../patch/merge.ts';
import { attributesOf } from './attributes.ts';
import { createObject } from './create.ts';
import { decodeBody } from './decode.ts';
import { guardedUpdate } from './guarded-update.ts';
import { applyConflict, badRequest, conflict, modified } from './refusals.ts';
import { checkPreconditions, placeOf, replacement, statusMetadata } from './update.ts';
import type { WriteCore } from './write-core.ts';

/** An object that comes and goes between looking and making as often as this is not worth more tries. */
const maxTries = 8;

/** What a client applies, checked and in its normal form, and without what the server says of an object. */
export interface Config {
  /** As it was sent. */
  readonly sent: Readonly<Record<string, unknown>>;
  /** In the stored version, without defaults. */
  readonly object: KubeObject;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/**
 * Server-side apply: makes the object, or merges the configuration into it (`apply/apply.ts`). Throws Conflict with a cause for
 * each field that another manager owns, unless the options force it.
 */
export async function applyObject(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  body: unknown,
  options: MutateOptions,
): Promise<KubeObject> {
  core.authorize(context, 'patch', attributesOf(def, target));
  const config = readConfig(def, target, body);
  const strict = options.duplicates ?? [];
  if (strict.length > 0 && options.fieldValidation === 'Strict') {
    throw badRequest(`error strict decoding YAML: ${strict.join(', ')}`);
  }
  if (options.fieldValidation !== 'Ignore') context.warnings.push(...strict.flatMap(warningsOf));
  const writer = writerOf(def, context, options, core.clock.now(), target.subresource, 'Apply');
  for (let attempt = 1; ; attempt++) {
    try {
      return await applyToPresent(core, context, def, target, config, writer, options);
    } catch (error) {
      if (!isApiError(error, 'NotFound') || target.subresource || (await exists(core, def, target))) throw error;
    }
    try {
      return await applyAsNew(core, context, def, target, config, writer, options);
    } catch (error) {
      // Somebody else made it meanwhile: then it is there to be merged into.
      if (!isApiError(error, 'AlreadyExists') || attempt >= maxTries) throw error;
    }
  }
}

/** The same to the number of replicas alone. `config`: of the object, not of the Scale. Answers the object. */
export function applyReplicas(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  config: Config,
  options: MutateOptions,
): Promise<KubeObject> {
  const writer = writerOf(def, context, options, core.clock.now(), 'scale', 'Apply');
  return applyToPresent(core, context, def, { ...target, subresource: undefined }, config, writer, options);
}

async function applyToPresent(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  config: Config,
  writer: Writer,
  options: MutateOptions,
): Promise<KubeObject> {
  const outcome = await guardedUpdate(
    core,
    context,
    placeOf(def, target),
    (current) => {
      checkPreconditions(def, current.metadata, config);
      const { object, entries } = merged(core, def, target, current, config, writer, options.force ?? false);
      const next = decodeBody(def.stored, object, { fieldValidation: 'Ignore' }, [], current);
      core.authorize(context, 'patch', attributesOf(def, target), next);
      return replacement(def, target, current, next, (_live, draft) => setEntries(draft, entries), core.clock.now());
    },
    options.dryRun,
  );
  return outcome.object;
}

async function applyAsNew(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  target: Target,
  config: Config,
  writer: Writer,
  options: MutateOptions,
): Promise<KubeObject> {
  if (config.uid) {
    const why = `uid mismatch: the provided object specified uid ${config.uid}, and no existing object was found`;
    throw conflict(def, target.name, why);
  }
  if (config.resourceVersion && config.resourceVersion !== '0') throw modified(def, target.name);
  const empty = { apiVersion: config.object.apiVersion, kind: config.object.kind, metadata: {} } as KubeObject;
  const { object, entries } = merged(core, def, target, empty, config, writer, true);
  const given = { ...object, metadata: { ...object.metadata, name: target.name } };
  const { force: _force, duplicates: _duplicates, ...plain } = options;
  const made = await createObject(core, context, def.stored, target.namespace, given, plain, (draft) =>
    setEntries(draft, entries),
  );
  context.created = true;
  return made;
}

function merged(
  core: WriteCore,
  def: KindDef,
  target: Target,
  current: KubeObject,
  config: Config,
  writer: Writer,
  force: boolean,
): { object: KubeObject; entries: readonly ManagedFieldsEntry[] } {
  const root = rootShape(def.stored.message);
  const entries =
    (current.metadata.managedFields as readonly Entry[] | undefined) ??
    beforeFirstApply(def.stored, current, writer, core.fieldSets);
  const wanted = partOf(def, target, config.object);
  const handover = writer.manager === 'kubectl' ? current.metadata.annotations?.[lastApplied] : undefined;
  const outcome = applyOver(root, { object: current, entries }, wanted, { writer, force }, () =>
    previously(def, handover),
  );
  if (outcome.type === 'conflicts') throw applyConflict(outcome.conflicts);
  const object = outcome.object as KubeObject;
  const synced = writer.manager === 'kubectl' ? withLastApplied(object, config.sent) : object;
  return { object: synced, entries: outcome.entries };
}

/** What client-side apply applied last, when the object tells and it can be read. */
function previously(def: KindDef, text: string | undefined): KubeObject | undefined {
  if (!text) return undefined;
  try {
    const { object } = decodeObject(def, JSON.parse(text), { validation: 'Ignore' });
    return def.conversion ? def.conversion.toStored(object) : object;
  } catch (error) {
    if (error instanceof SyntaxError || isApiError(error)) return undefined;
    throw error;
  }
}

/** What of a configuration a request may write: not the status with the object, and not the object with the status. */
function partOf(def: KindDef, { subresource }: Target, object: KubeObject): KubeObject {
  const { metadata, ...rest } = object;
  const kept = subresource === 'status' ? statusMetadata(def, metadata) : metadata;
  const reset = resetOf(def.stored);
  const written = (name: string): boolean =>
    subresource === 'status' ? name === 'status' : subresource !== undefined || !reset.has(name);
  const fields = Object.fromEntries(Object.entries(rest).filter(([name]) => written(name)));
  // Metadata that says nothing but which object is meant is nobody's.
  return { ...fields, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) } as unknown as KubeObject;
}

function readConfig(def: KindDef, target: Target, body: unknown): Config {
  if (!isRecord(body)) throw badRequest('error decoding YAML: the configuration must be an object');
  const wanted = groupVersionKind(apiVersionOf(def), def.kind);
  const given = groupVersionKind(text(body.apiVersion), text(body.kind));
  if (given !== wanted) throw badRequest(`invalid object type: ${given}`);
  const metadata = isRecord(body.metadata) ? body.metadata : {};
  if (metadata.managedFields !== undefined && metadata.managedFields !== null) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const name = text(metadata.name) || target.name;
  if (name !== target.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${target.name})`);
  }
  if (target.namespace && metadata.namespace && metadata.namespace !== target.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  const faults = typedFaults(def.message, body);
  if (faults.length > 0) {
    const what = `${target.namespace ?? ''}/${target.name}; ${wanted}`;
    throw badRequest(`failed to create typed patch object (${what}): ${listed(faults)}`);
  }
  const { object } = decodeObject(def, body, { validation: 'Ignore' });
  const stored = def.conversion ? def.conversion.toStored(object) : object;
  const {
    uid,
    resourceVersion,
    name: _n,
    namespace: _ns,
    creationTimestamp: _c,
    generation: _g,
    selfLink: _s,
    ...rest
  } = stored.metadata;
  const own = { ...stored, metadata: rest } as KubeObject;
  return { sent: body, object: own, uid, resourceVersion };
}

async function exists(core: WriteCore, def: KindDef, { namespace, name }: Target): Promise<boolean> {
  return (await core.fresh(objectKey(def.stored, namespace, name))) !== undefined;
}

/** As Go prints it: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`. */
function groupVersionKind(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? '' : '/'}${apiVersion}, Kind=${kind}`;
}

function listed(faults: readonly string[]): string {
  return faults.length === 1 ? (faults[0] ?? '') : `errors:\n  ${faults.join('\n  ')}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
