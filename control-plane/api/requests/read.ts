import { aside } from '../../../shared/aside.ts';
import { ApiError, isApiError } from '../../../shared/errors.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import type { KubeObject } from '../../../shared/object.ts';
import { invalid, invalidError } from '../../../shared/schema/causes.ts';
import { packed, packedBytes, packFrom } from '../../store/cache/packed.ts';
import { kindPrefix, objectKey } from '../../store/keys.ts';
import type { Item } from '../../store/store.ts';
import type { ListPage, ListQuery, RequestContext } from '../api.ts';
import { decodeItem } from './codec.ts';
import type { Core } from './core.ts';
import { checkListOptions } from './list-options.ts';
import { badRequest, notFound } from './refusals.ts';
import type { KindRequest, ObjectRequest } from './request.ts';
import { type Selection, selectionOf } from './selection.ts';

/** Items, and their characters, that are read from the store at a time. */
const storePage = 500;
const storeSize = 4 * 1024 * 1024;
/** A page with a limit ends early when its objects have about so many bytes. */
const pageBytes = 32 * 1024 * 1024;
/** The largest list of a past revision without a limit, in bytes: all of it is read before it is answered. */
const wholeBytes = 128 * 1024 * 1024;
/** Bytes of large objects that are filtered before other requests are served. */
export const filterBytes = 2 * 1024 * 1024;
/** The most items that are read at a time, whatever the limit. */
const maxStorePage = 5_000;
/** The revision in a continue token that continues in the present state. */
const present = -1;

/** A list's next page: everything after `after`, as it was at `revision`. */
interface Continuation {
  readonly revision: number;
  readonly after: string;
}

/** The object as it is at some time after the call, and no older than `resourceVersion`. */
export async function getObject(request: ObjectRequest, resourceVersion?: string): Promise<KubeObject> {
  const { core, context, def, namespace, name } = request;
  await core.reads.catchUp(context.signal);
  const notOlder = versionOf(resourceVersion, def);
  if (notOlder !== undefined) await core.reads.waitFor(notOlder, context.signal);
  const state = core.cached(def, namespace, name);
  if (!state) throw notFound(def, name);
  return state.object;
}

/** `limit`: objects, absent for all; `size`: bytes after which a page with a limit ends early. */
interface PageQuery {
  readonly def: KindDef;
  readonly selection: Selection;
  readonly limit: number | undefined;
  readonly size: number;
}

/** A page may have less than its `limit` when its objects are large. */
export async function listObjects(request: KindRequest, query: ListQuery): Promise<ListPage> {
  const { core, context, def: served } = request;
  const def = served.stored;
  checkListOptions(query, false);
  const selection = selectionOf(served, query);
  authorizeSelection(request, 'list', selection);
  const limit = query.limit && query.limit > 0 ? query.limit : undefined;
  const page: PageQuery = { def, selection, limit, size: query.pageBytes ?? pageBytes };
  if (query.continue) {
    if (query.resourceVersion && query.resourceVersion !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const from = readContinuation(query.continue);
    // The token of a continueExpired error: it continues in the present state.
    const revision = from.revision === present ? await core.reads.catchUp(context.signal) : from.revision;
    return pageOfStore(core, context, page, { ...from, revision });
  }
  const wanted = versionOf(query.resourceVersion, served);
  if (query.resourceVersionMatch === 'Exact' && wanted) {
    await core.reads.waitFor(wanted, context.signal);
    return pageOfStore(core, context, page, { revision: wanted, after: '' });
  }
  if (wanted === undefined) await core.reads.catchUp(context.signal);
  else await core.reads.waitFor(wanted, context.signal);
  return pageOfCache(core, context, page);
}

/** A selection of a single name is authorized with that name, so that a rule for one object can allow it. */
export function authorizeSelection(
  { core, context, def }: KindRequest,
  verb: 'list' | 'watch' | 'deletecollection',
  { namespace, name, fields }: Selection,
): void {
  core.authorize(context, verb, { entry: def, namespace, name, fields });
}

/** The revision that a client names; undefined: the newest. Throws Invalid, which names the resource. */
export function versionOf(resourceVersion: string | undefined, { plural, group }: KindEntry): number | undefined {
  if (resourceVersion === undefined || resourceVersion === '') return undefined;
  const revision = Number(resourceVersion);
  if (/^\d+$/.test(resourceVersion) && Number.isSafeInteger(revision)) return revision;
  const why = /^\d+$/.test(resourceVersion) ? 'value out of range' : 'invalid syntax';
  const detail = `strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: ${why}`;
  throw invalidError({ kind: plural, group }, '', [invalid('resourceVersion', resourceVersion, detail)]);
}

async function pageOfCache(
  core: Core,
  context: RequestContext,
  { def, selection, limit, size }: PageQuery,
): Promise<ListPage> {
  const { cache } = core;
  const { revision } = cache;
  const resourceVersion = String(revision);
  const { namespace, name } = selection;
  if (name !== undefined && (namespace || !def.namespaced)) {
    const object = core.cached(def, namespace, name)?.object;
    return { items: object && selection.matches(object) ? [object] : [], resourceVersion };
  }
  const all: readonly KubeObject[] = cache.list(def.id, namespace);
  if (limit === undefined && !selection.selects) return { items: all, resourceVersion };
  const items: KubeObject[] = [];
  let bytes = 0;
  let filtered = 0;
  for (const [index, object] of all.entries()) {
    filtered += selection.fields.length > 0 ? packedBytes(object) : 0;
    if (filtered > filterBytes) {
      filtered = 0;
      await aside();
      context.signal.throwIfAborted();
    }
    if (!selection.matches(object)) continue;
    items.push(object);
    bytes += cache.sizeOf(object);
    if (limit === undefined || (items.length < limit && bytes < size) || index === all.length - 1) continue;
    return {
      items,
      resourceVersion,
      continue: writeContinuation({ revision, after: keyWithin(def, selection, object) }),
      ...(selection.selects ? {} : { remainingItemCount: all.length - index - 1 }),
    };
  }
  return { items, resourceVersion };
}

async function pageOfStore(
  core: Core,
  context: RequestContext,
  { def, selection, limit, size }: PageQuery,
  from: Continuation,
): Promise<ListPage> {
  const prefix = kindPrefix(def, selection.namespace);
  const items: KubeObject[] = [];
  let after = from.after && prefix + from.after;
  let bytes = 0;
  for (;;) {
    context.signal.throwIfAborted();
    const wanted = Math.min(Math.max(limit ?? 0, storePage), maxStorePage);
    const page = await listStore(core, prefix, wanted, after, from);
    for (const [index, item] of page.items.entries()) {
      const object = readItem(item);
      if (!selection.matches(object)) continue;
      items.push(object);
      bytes += item.value.length;
      if (limit === undefined && bytes > wholeBytes) throw tooLargeAtOnce(wholeBytes);
      const left = page.items.length - index - 1 + page.remaining;
      if (limit === undefined || (items.length < limit && bytes < size) || left === 0) continue;
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
    return await core.store.list(prefix, { limit, size: storeSize, revision, ...(after ? { after } : {}) });
  } catch (error) {
    if (!isApiError(error, 'Expired')) throw error;
    throw from.after ? continueExpired(error, after.slice(prefix.length)) : expired(error);
  }
}

/** Kubernetes' words (apiserver, `handleCompactedErrorForPaging`); with a token that continues in the present state. */
function continueExpired(cause: unknown, after: string): ApiError {
  return new ApiError(
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
    { continue: writeContinuation({ revision: present, after }) },
    { cause },
  );
}

function readItem(item: Item): KubeObject {
  if (item.value.length <= packFrom) return decodeItem(item).object;
  return packed(item.value, item.revision, (text) => JSON.parse(text) as KubeObject);
}

/** A list that is too large for one answer. */
export function tooLargeAtOnce(bytes: number): ApiError {
  const most = `${bytes / 1024 / 1024} MiB`;
  return new ApiError(
    'RequestEntityTooLarge',
    `the list is longer than ${most}: ask for it in pages, by limit and continue`,
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
