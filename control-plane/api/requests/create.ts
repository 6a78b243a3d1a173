import { formatTime } from '../../../shared/clock.ts';
import { isApiError } from '../../../shared/errors.ts';
import type { Namespace, ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import { warningsOf } from '../../../shared/kinds/warnings/index.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { nameSuffix, uuid } from '../../../shared/random.ts';
import { objectKey } from '../../store/keys.ts';
import type { Guard, Item } from '../../store/store.ts';
import { type Charges, chargesOf } from '../admission/charges.ts';
import type { Admission } from '../admission/plugin.ts';
import { readerWith } from '../admission/read-missing.ts';
import type { MutateOptions, RequestContext, WriteResult } from '../api.ts';
import { trackNew, writerOf } from '../managed-fields/tracking.ts';
import { answerText, decodeItem, type State } from './codec.ts';
import { backOff, commit } from './commit.ts';
import { checkCreate, decodeBody } from './decode.ts';
import { countedBy } from './generation.ts';
import { dropRepeatedOwners } from './owner-references.ts';
import { alreadyExists, badRequest, forbidden, modified, nameConflict, notFound } from './refusals.ts';
import type { WriteRequest } from './request.ts';
import { settleNamespace } from './settle-namespace.ts';
import type { WriteCore } from './write-core.ts';

/** How often a generated name is drawn again when it is taken, as in Kubernetes. */
const nameTries = 8;
/** How often a create tries again when its namespace, or the node that it takes room on, changes. */
const maxTries = 100;
/** Letters of the given prefix that a generated name keeps, so that it stays a valid label. */
const prefixLength = 58;

/**
 * Creates an object. `track`: sets the managed fields; absent, the client manages all of them. The result has the object as it is
 * stored.
 */
export async function createObject(
  request: WriteRequest,
  body: unknown,
  track?: (draft: KubeObject) => void,
): Promise<WriteResult> {
  const { core, context, def: served, namespace, options } = request;
  const { warnings } = context;
  const def = served.stored;
  const draft = decodeBody(served, body, options, warnings);
  const meta = draft.metadata;
  settleNamespace(def, meta, namespace);
  if (meta.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
  dropRepeatedOwners(meta, warnings);
  const prefix = meta.name ? undefined : meta.generateName;
  if (prefix) meta.name = generatedName(core, prefix);
  // Authorization rules for single names do not apply to a create.
  core.authorize(context, 'create', { entry: served, namespace: meta.namespace }, draft);

  const now = core.clock.now();
  draft.metadata = newMeta(core, def, meta, now);
  if (track) track(draft);
  else trackNew(def, draft, writerOf({ def, context, options }, now), core.fieldSets);
  const admission: Admission = {
    identity: context.identity,
    verb: 'create',
    entry: def,
    namespace: draft.metadata.namespace,
    name: draft.metadata.name,
    dryRun: options.dryRun ?? false,
    warnings,
    now,
    audit: context.audit,
  };
  const missing = core.admission.missing(admission, draft);
  core.admission.mutate(admission, draft, missing.length > 0 ? await readerWith(core, missing) : undefined);
  if (prefix) def.strategy.nameGenerated?.(draft);
  def.strategy.prepareCreate?.(draft);
  checkCreate(served, draft);
  warnings.push(...warningsOf(def.kind, draft));
  if (def.inert) warnings.push(inertWarning(def.kind, def.inert));
  core.admission.validate(admission, draft);
  for (let attempt = 1; ; attempt++) {
    try {
      const named = { ...admission, name: draft.metadata.name };
      const object = await insert(core, context, def, draft, options, chargesOf(core, named, context.signal));
      return { object, outcome: 'created' };
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists') || !meta.generateName) throw error;
      if (!prefix || attempt >= nameTries) throw nameConflict(def, draft.metadata.name);
      const taken = draft.metadata.name;
      draft.metadata.name = generatedName(core, prefix);
      def.strategy.nameGenerated?.(draft, taken);
    }
  }
}

function inertWarning(kind: string, what: string): string {
  return `Coracle does not act on ${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind} yet: ${what}`;
}

/** One transaction: the key must be free, the namespace must be the one that was seen to be alive. */
async function insert(
  core: WriteCore,
  context: RequestContext,
  def: KindDef,
  draft: KubeObject,
  options: MutateOptions,
  charges: Charges | undefined,
): Promise<KubeObject> {
  const { name, namespace } = draft.metadata;
  const key = objectKey(def, namespace, name);
  const home = namespace ? objectKey(core.kind('Namespace'), undefined, namespace) : undefined;
  let room = namespace ? await livingNamespace(core, def, name, namespace) : undefined;
  // The cache that plugins read may lag behind the namespace that was just made.
  if (home && room) charges?.learn(home, room);
  const dryRun = options.dryRun ?? false;
  const observed = new Map<string, Item | undefined>();
  for (let attempt = 0; attempt < maxTries; attempt++) {
    if (attempt > 0) await backOff(core, context, attempt);
    const guards: Guard[] = home && room ? [{ key: home, revision: room.revision }] : [];
    const committed = await commit(core, context, { def, key, after: draft, guards, charges, dryRun, observed });
    if (committed.ok) {
      const { object = draft, revision, text } = committed;
      if (dryRun) return object;
      object.metadata.resourceVersion = String(revision);
      context.answer = { object, text: answerText(text, revision) };
      return object;
    }
    if (observed.get(key)) throw alreadyExists(def, name);
    // The namespace may have changed since it was read.
    const item = home ? observed.get(home) : undefined;
    if (namespace) room = checkNamespace(def, name, namespace, item && decodeItem(item));
  }
  throw modified({ plural: 'namespaces', group: '' }, namespace ?? '');
}

async function livingNamespace(core: WriteCore, def: KindDef, name: string, namespace: string): Promise<State> {
  const entry = core.kind('Namespace');
  const seen = core.cached(entry, undefined, namespace);
  if (seen && !isTerminating(seen.object)) return seen;
  // The cache may lag behind a namespace that was just made, or made anew.
  return checkNamespace(def, name, namespace, await core.fresh(objectKey(entry, undefined, namespace)));
}

function checkNamespace(def: KindDef, name: string, namespace: string, state: State | undefined): State {
  if (!state) throw notFound({ plural: 'namespaces', group: '' }, namespace);
  if (!isTerminating(state.object)) return state;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const message = `namespace ${namespace} is being terminated`;
  throw forbidden(def, name, why, { reason: 'NamespaceTerminating', field: 'metadata.namespace', message });
}

function isTerminating(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined || (object as Namespace).status?.phase === 'Terminating';
}

/** What the server says about a new object, and what of the client's it keeps. */
function newMeta(core: WriteCore, def: KindDef, given: ObjectMeta, now: number): ObjectMeta {
  const meta: ObjectMeta = {
    name: given.name,
    ...(given.generateName ? { generateName: given.generateName } : {}),
    ...(def.namespaced ? { namespace: given.namespace } : {}),
    uid: uuid(core.random),
    ...(countedBy(def) === 'none' ? {} : { generation: 1 }),
    creationTimestamp: formatTime(now),
  } as ObjectMeta;
  if (given.labels) meta.labels = given.labels;
  if (given.annotations) meta.annotations = given.annotations;
  if (given.ownerReferences?.length) meta.ownerReferences = given.ownerReferences;
  if (given.finalizers?.length) meta.finalizers = given.finalizers;
  return meta;
}

function generatedName(core: WriteCore, prefix: string): string {
  return prefix.slice(0, prefixLength) + nameSuffix(core.random);
}
