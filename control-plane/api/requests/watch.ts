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
import { authorizeSelection, versionOf } from './read.ts';
import { type Selection, selectionOf } from './selection.ts';

/** A watch that sees nothing is told how far the revision has moved no more often than this. */
const bookmarkMs = 10_000;
/** Bytes of large objects that are looked into before others' requests go first. */
const lookBytes = 2 * 1024 * 1024;
/** Batches feed a reader in this process that applies them at once: only the cache's window bounds it. */
const batchBuffer = 1_000_000;

/** What may be refused is refused by the call itself; what comes later, by the iteration. */
export function watchObjects(
  core: Core,
  context: RequestContext,
  def: KindDef,
  query: WatchQuery,
): AsyncGenerator<ApiWatchEvent, void, void> {
  checkListOptions(query, true);
  const selection = selectionOf(def, query);
  authorizeSelection(core, context, 'watch', def, selection);
  return follow(core, context, def, query, selection, versionOf(query.resourceVersion, def));
}

async function* follow(
  core: Core,
  context: RequestContext,
  def: KindDef,
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
  let looked = 0;
  let told = 0;
  let known = from === 'initial' ? 0 : from;
  try {
    for await (const batch of cache.subscribe({ kinds: [def.kind as Kind], from }, {}, signal)) {
      if (looked > lookBytes) {
        looked = 0;
        await aside();
      }
      let seen = false;
      for (const event of batch.events) {
        looked += packedBytes(event.object);
        const change = select(event, selection);
        if (!change) continue;
        seen = true;
        known = event.revision;
        yield change;
      }
      told = batch.revision;
      if (!query.allowBookmarks) continue;
      if (!synced && batch.synced) {
        synced = true;
        if (!query.sendInitialEvents) continue;
        known = batch.revision;
        yield bookmark(def, batch.revision, true);
      } else if (!seen && clock.monotonic() - bookmarked >= bookmarkMs) {
        bookmarked = clock.monotonic();
        known = batch.revision;
        yield bookmark(def, batch.revision, false);
      }
    }
    // At the end of its time, so that the next watch need not go through again what this one has passed over.
    if (query.allowBookmarks && synced && told > known && !context.signal.aborted) yield bookmark(def, told, false);
  } finally {
    timer?.cancel();
    end.abort();
  }
}

/** The present objects of some kinds and then all their changes, in the order of revisions. */
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

/** What a change is to a reader who sees only what is selected. */
function select(event: CacheEvent, selection: Selection): ApiWatchEvent | undefined {
  const { type, object, before } = event;
  if (type === 'ADDED') return selection.matches(object) ? { type, object } : undefined;
  if (type === 'DELETED') return selection.matches(object) ? { type, object } : undefined;
  const did = before !== undefined && selection.matches(before);
  const does = selection.matches(object);
  if (does) return { type: did ? 'MODIFIED' : 'ADDED', object };
  // The last state that was seen, at the revision of its disappearance.
  return did ? { type: 'DELETED', object: withRevision(before, event.revision) } : undefined;
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
