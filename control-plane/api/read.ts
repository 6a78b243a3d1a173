import { ApiError, isApiError } from '../../shared/errors.ts';
import type { Kind } from '../../shared/generated/types.ts';
import type { KindDef } from '../../shared/kinds/kind.ts';
import type { KindEntry } from '../../shared/kinds/table.ts';
import type { KubeObject } from '../../shared/object.ts';
import { invalid, invalidError } from '../../shared/schema/causes.ts';
import { kindPrefix, objectKey } from '../store/keys.ts';
import type { ListPage, ListQuery, RequestContext, Target } from './api.ts';
import { decodeItem } from './codec.ts';
import type { Core } from './core.ts';
import { checkListOptions } from './list-options.ts';
import { badRequest, notFound } from './refusals.ts';
import { type Selection, selectionOf } from './selection.ts';

/** Items that are read from the store at a time while a page of matching ones is gathered. */
const storePage = 500;
/** The most that are read at a time, however long a page the client wants. */
const maxStorePage = 5_000;
/** In a continue token: the revision of the moment at which it is used. */
const present = -1;

/** A list's next page: everything after `after`, as it was at `revision`. */
interface Continuation {
  readonly revision: number;
  readonly after: string;
}

/** The object as of a moment after the call. */
export async function getObject(
  core: Core,
  context: RequestContext,
  def: KindDef,
  target: Pick<Target, 'namespace' | 'name' | 'resourceVersion'>,
): Promise<KubeObject> {
  await core.reads.catchUp(context.signal);
  const notOlder = versionOf(target.resourceVersion, def);
  if (notOlder !== undefined) await core.reads.waitFor(notOlder, context.signal);
  const state = core.cached(def, target.namespace, target.name);
  if (!state) throw notFound(def, target.name);
  return state.object;
}

export async function listObjects(
  core: Core,
  context: RequestContext,
  served: KindDef,
  query: ListQuery,
): Promise<ListPage> {
  const def = served.stored;
  checkListOptions(query, false);
  const selection = selectionOf(served, query);
  authorizeSelection(core, context, 'list', served, selection);
  const limit = query.limit && query.limit > 0 ? query.limit : undefined;
  if (query.continue) {
    if (query.resourceVersion && query.resourceVersion !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const from = readContinuation(query.continue);
    // A token that was given out for an expired one: it goes on in the present state.
    const revision = from.revision === present ? await core.reads.catchUp(context.signal) : from.revision;
    return pageOfStore(core, context, def, selection, limit, { ...from, revision });
  }
  const wanted = versionOf(query.resourceVersion, served);
  if (query.resourceVersionMatch === 'Exact' && wanted) {
    await core.reads.waitFor(wanted, context.signal);
    return pageOfStore(core, context, def, selection, limit, { revision: wanted, after: '' });
  }
  if (wanted === undefined) await core.reads.catchUp(context.signal);
  else await core.reads.waitFor(wanted, context.signal);
  return pageOfCache(core, def, selection, limit);
}

/** A list or watch of a single name is asked for by that name, so that rules for one object can allow it. */
export function authorizeSelection(
  core: Core,
  context: RequestContext,
  verb: 'list' | 'watch' | 'deletecollection',
  def: KindDef,
  { namespace, name, fields }: Selection,
): void {
  core.authorize(context, verb, { entry: def, namespace, name, fields });
}

/** The revision that a client asks for; undefined: the newest. Throws Invalid, which names the resource. */
export function versionOf(resourceVersion: string | undefined, { plural, group }: KindEntry): number | undefined {
  if (resourceVersion === undefined || resourceVersion === '') return undefined;
  const revision = Number(resourceVersion);
  if (/^\d+$/.test(resourceVersion) && Number.isSafeInteger(revision)) return revision;
  const why = /^\d+$/.test(resourceVersion) ? 'value out of range' : 'invalid syntax';
  const detail = `strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: ${why}`;
  throw invalidError({ kind: plural, group }, '', [invalid('resourceVersion', resourceVersion, detail)]);
}

function pageOfCache(core: Core, def: KindDef, selection: Selection, limit: number | undefined): ListPage {
  const { cache } = core.deps;
  const resourceVersion = String(cache.revision);
  const { namespace, name } = selection;
  if (name !== undefined && (namespace || !def.namespaced)) {
    const object = core.cached(def, namespace, name)?.object;
    return { items: object && selection.matches(object) ? [object] : [], resourceVersion };
  }
  const all: readonly KubeObject[] = cache.list(def.kind as Kind, namespace);
  if (limit === undefined) {
    return { items: selection.selects ? all.filter((object) => selection.matches(object)) : all, resourceVersion };
  }
  const items: KubeObject[] = [];
  for (const [index, object] of all.entries()) {
    if (!selection.matches(object)) continue;
    items.push(object);
    if (items.length < limit || index === all.length - 1) continue;
    return {
      items,
      resourceVersion,
      continue: writeContinuation({ revision: cache.revision, after: keyWithin(def, selection, object) }),
      ...(selection.selects ? {} : { remainingItemCount: all.length - index - 1 }),
    };
  }
  return { items, resourceVersion };
}

async function pageOfStore(
  core: Core,
  context: RequestContext,
  def: KindDef,
  selection: Selection,
  limit: number | undefined,
  from: Continuation,
): Promise<ListPage> {
  const prefix = kindPrefix(def, selection.namespace);
  const items: KubeObject[] = [];
  let after = from.after && prefix + from.after;
  for (;;) {
    context.signal.throwIfAborted();
    const wanted = Math.min(Math.max(limit ?? 0, storePage), maxStorePage);
    const page = await listStore(core, prefix, wanted, after, from);
    for (const [index, item] of page.items.entries()) {
      const { object } = decodeItem(item);
      if (!selection.matches(object)) continue;
      items.push(object);
      const left = page.items.length - index - 1 + page.remaining;
      if (items.length !== limit || left === 0) continue;
      return {
        items,
        resourceVersion: String(from.revision),
        continue: writeContinuation({ revision: from.revision, after: item.key.slice(prefix.length) }),
        ...(selection.selects ? {} : { remainingItemCount: left }),
      };
    }
    const last = page.items.at(-1);
    if (!last || page.remaining === 0) return { items, resourceVersion: String(from.revision) };
    after = last.key;
  }
}

async function listStore(core: Core, prefix: string, limit: number, after: string, from: Continuation) {
  const { revision } = from;
  try {
    return await core.deps.store.list(prefix, { limit, revision, ...(after ? { after } : {}) });
  } catch (error) {
    if (!isApiError(error, 'Expired')) throw error;
    throw from.after ? continueExpired(error, after.slice(prefix.length)) : expired(error);
  }
}

/** Kubernetes' words (apiserver, `handleCompactedErrorForPaging`); with a token that goes on in the present state. */
function continueExpired(cause: unknown, after: string): ApiError {
  return new ApiError(
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    { continue: writeContinuation({ revision: present, after }) },
    { cause },
  );
}

function expired(cause: unknown): ApiError {
  return new ApiError('Expired', 'The resourceVersion for the provided list is too old.', {}, { cause });
}

function keyWithin(def: KindDef, selection: Selection, object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return objectKey(def, namespace, name).slice(kindPrefix(def, selection.namespace).length);
}

function writeContinuation({ revision, after }: Continuation): string {
  return Buffer.from(JSON.stringify({ v: 'coracle.io/v1', rv: revision, start: after })).toString('base64url');
}

function readContinuation(token: string): Continuation {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch (error) {
    throw new ApiError('BadRequest', 'continue key is not valid', {}, { cause: error });
  }
  const { v, rv, start } = (read ?? {}) as { v?: unknown; rv?: unknown; start?: unknown };
  const revision = Number.isSafeInteger(rv) && ((rv as number) > 0 || rv === present);
  if (v !== 'coracle.io/v1' || !revision || typeof start !== 'string') {
    throw badRequest('continue key is not valid');
  }
  return { revision: rv as number, after: start };
}
