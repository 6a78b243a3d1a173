import { aside } from '../../../shared/aside.ts';
import type { WatchBatch } from '../../../shared/client.ts';
import { ApiError } from '../../../shared/errors.ts';
import type { Kind } from '../../../shared/generated/types.ts';
import { apiVersionOf } from '../../../shared/kinds/index.ts';
import type { KindDef } from '../../../shared/kinds/kind.ts';
import type { KubeObject } from '../../../shared/object.ts';
import type { CacheEvent } from '../../store/cache/broadcaster.ts';
import { packedBytes, withRevision } from '../../store/cache/packed.ts';
import type { ApiWatchEvent, RequestContext, WatchQuery } from '../api.ts';
import type { Core } from './core.ts';
import { checkListOptions } from './list-options.ts';
import { authorizeSelection, filterBytes, versionOf } from './read.ts';
import type { KindRequest } from './request.ts';
import { type Selection, selectionOf } from './selection.ts';

/** The shortest time between two bookmarks of a watch without events. */
const bookmarkMs = 10_000;
/** Batches feed a reader in this process that applies them at once: only the cache's window bounds it. */
const batchBuffer = 1_000_000;

/** Faults of the request are thrown by the call, later errors by the iteration. */
export function watchObjects(request: KindRequest, query: WatchQuery): AsyncGenerator<ApiWatchEvent, void, void> {
  checkListOptions(query, true);
  const { def } = request;
  const selection = selectionOf(def, query);
  authorizeSelection(request, 'watch', selection);
  return follow(request, query, selection, versionOf(query.resourceVersion, def));
}

async function* follow(
  { core, context, def }: KindRequest,
  query: WatchQuery,
  selection: Selection,
  wanted: number | undefined,
): AsyncGenerator<ApiWatchEvent, void, void> {
  const { clock, cache } = core;
  const initial = query.sendInitialEvents ?? (wanted === undefined || wanted === 0);
  if (wanted === undefined) await core.reads.catchUp(context.signal);
  else if (wanted > 0) await core.reads.waitFor(wanted, context.signal);
  const from = initial ? 'initial' : wanted || cache.revision;

  const end = new AbortController();
  const timer = query.timeoutSeconds ? clock.timer(query.timeoutSeconds * 1000, () => end.abort()) : undefined;
  const signal = AbortSignal.any([context.signal, end.signal]);
  let bookmarked = clock.monotonic();
  let synced = !initial;
  let filtered = 0;
  let seen = 0;
  let sent = from === 'initial' ? 0 : from;
  try {
    for await (const batch of cache.subscribe({ kinds: [def.id], from }, {}, signal)) {
      if (filtered > filterBytes) {
        filtered = 0;
        await aside();
      }
      let matched = false;
      for (const event of batch.events) {
        filtered += packedBytes(event.object);
        const change = select(event, selection);
        if (!change) continue;
        matched = true;
        sent = event.revision;
        yield change;
      }
      seen = batch.revision;
      if (!query.allowBookmarks) continue;
      if (!synced && batch.synced) {
        synced = true;
        if (!query.sendInitialEvents) continue;
        sent = batch.revision;
        yield bookmark(def, batch.revision, true);
      } else if (!matched && clock.monotonic() - bookmarked >= bookmarkMs) {
        bookmarked = clock.monotonic();
        sent = batch.revision;
        yield bookmark(def, batch.revision, false);
      }
    }
    // A last bookmark, so that the next watch does not filter the same events again.
    if (query.allowBookmarks && synced && seen > sent && !context.signal.aborted) yield bookmark(def, seen, false);
  } finally {
    timer?.cancel();
    end.abort();
  }
}

/** The objects of some kinds, then all their changes, in the order of revisions. */
export async function* watchKinds(
  core: Core,
  context: RequestContext,
  kinds: readonly Kind[],
): AsyncGenerator<WatchBatch, void, void> {
  for (const kind of kinds) {
    for (const verb of ['list', 'watch']) core.authorize(context, verb, { entry: core.kind(kind) });
  }
  if (kinds.length === 0) throw new ApiError('BadRequest', 'a watch must name at least one kind');
  await core.reads.catchUp(context.signal);
  const options = { maxBuffered: batchBuffer };
  yield* core.cache.subscribe({ kinds, from: 'initial' }, options, context.signal);
}

/** A change as a watch with a selection sees it; undefined when nothing selected has changed. */
function select(event: CacheEvent, selection: Selection): ApiWatchEvent | undefined {
  const { type, object, before } = event;
  if (type !== 'MODIFIED') return selection.matches(object) ? { type, object } : undefined;
  const matchedBefore = before !== undefined && selection.matches(before);
  if (selection.matches(object)) return { type: matchedBefore ? 'MODIFIED' : 'ADDED', object };
  // The last state that the watch has shown, at the revision of the change.
  return matchedBefore ? { type: 'DELETED', object: withRevision(before, event.revision) } : undefined;
}

function bookmark(def: KindDef, revision: number, initialEnd: boolean): ApiWatchEvent {
  const metadata = {
    resourceVersion: String(revision),
    creationTimestamp: null,
    ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
  };
  const object = { apiVersion: apiVersionOf(def), kind: def.kind, metadata };
  return { type: 'BOOKMARK', object: object as unknown as KubeObject };
}
