import { formatTime } from '../../../shared/clock.ts';
import { isApiError } from '../../../shared/errors.ts';
import type { ObjectMeta } from '../../../shared/generated/types.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { nameSuffix, uuid } from '../../../shared/random.ts';
import { objectKey } from '../../store/keys.ts';
import type { Guard } from '../../store/store.ts';
import type { AdmissionRequest } from '../admission/plugin.ts';
import type { WriteResult } from '../api.ts';
import { trackNew, writerOf } from '../managed-fields/tracking.ts';
import { admissionOf } from './admission.ts';
import { backOff } from './back-off.ts';
import { answerText } from './codec.ts';
import { commit } from './commit.ts';
import { checkCreate, decodeBody } from './decode.ts';
import { countedBy } from './generation.ts';
import { checkNamespace, liveNamespace } from './live-namespace.ts';
import { Observed } from './observed.ts';
import { dropRepeatedOwners } from './owner-references.ts';
import { alreadyExists, badRequest, modified, nameConflict } from './refusals.ts';
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
  const admission = admissionOf({ ...request, namespace: meta.namespace, name: meta.name }, 'create', now);
  const mutating = core.admission.mutate(admission, draft);
  if (mutating) await mutating;
  if (prefix) def.strategy.nameGenerated?.(draft);
  def.strategy.prepareCreate?.(draft);
  checkCreate(served, draft);
  warnings.push(...(def.strategy.warnings?.(draft) ?? []));
  if (def.inert) warnings.push(inertWarning(def.kind, def.inert));
  const validating = core.admission.validate(admission, draft);
  if (validating) await validating;
  for (let attempt = 1; ; attempt++) {
    try {
      return await insert(request, draft, { ...admission, name: draft.metadata.name });
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

/** Stores a new object: its key must be free, and its namespace must still be the one that was found alive. */
async function insert(request: WriteRequest, draft: KubeObject, admission: AdmissionRequest): Promise<WriteResult> {
  const { core, context } = request;
  const def = request.def.stored;
  const { name, namespace } = draft.metadata;
  const key = objectKey(def, namespace, name);
  const namespaceKey = objectKey(core.kind('Namespace'), undefined, namespace ?? '');
  let namespaceState = await liveNamespace(core, def, draft);
  const { dryRun } = admission;
  const observed = new Observed();
  // The cache that plugins read may not show the namespace yet.
  if (namespaceState) observed.recordState(namespaceKey, namespaceState);
  for (let attempt = 0; attempt < maxTries; attempt++) {
    if (attempt > 0) await backOff(core, attempt, context.signal);
    const guards: Guard[] = namespaceState ? [{ key: namespaceKey, revision: namespaceState.revision }] : [];
    const committed = await commit(core, context, { def, key, after: draft, guards, admission, dryRun, observed });
    if (committed.ok) {
      const { object = draft, revision, text } = committed;
      if (dryRun) return { object, outcome: 'created' };
      object.metadata.resourceVersion = String(revision);
      return { object, outcome: 'created', text: answerText(text, revision) };
    }
    if (observed.exists(key)) throw alreadyExists(def, name);
    // The namespace may have changed since it was read.
    if (namespace) namespaceState = checkNamespace(def, name, namespace, observed.state(namespaceKey));
  }
  throw modified({ plural: 'namespaces', group: '' }, namespace ?? '');
}

/** The metadata that the server sets on a new object, and that of the client's which it keeps. */
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
