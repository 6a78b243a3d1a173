import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { Etcd3, IEvent, IWatchRequest, IWatchResponse } from 'etcd3';
import type { Clock } from '../../../shared/clock.ts';
import { ApiError } from '../../../shared/errors.ts';
import { compacted } from '../limits.ts';
import type { StoreBatch, StoreEvent } from '../store.ts';
import { prefixEnd } from './client.ts';

/** How long etcd may take to confirm a watch. */
const createTimeoutMs = 5000;

/**
 * One watch stream: every change under `prefix` after `last`, until the stream breaks (throws whatever broke it) or the
 * signal ends it (returns). Throws Expired when `last` has been compacted.
 *
 * The stream starts at `last` itself, and repeated events are dropped here. etcd drops the trace of a deletion when it
 * compacts at the deletion's own revision, but still accepts a watch from the next one: a watch from `last` + 1 could
 * miss the deletion. A watch from `last` is refused as compacted instead.
 *
 * The revision to resume from is the last event's mod_revision, never a header's revision: that is the store's present one,
 * which the watch may not have reached. Only the header of a progress notification (no events, on a synced watch) counts.
 */
export async function* watchOnce(
  deps: { readonly client: Etcd3; readonly clock: Clock },
  prefix: string,
  last: number,
  signal: AbortSignal,
): AsyncGenerator<StoreBatch, void, void> {
  if (signal.aborted) return;
  const stream = (await deps.client.watchClient.watch()) as unknown as ClientDuplexStream<
    IWatchRequest,
    IWatchResponse
  >;
  let late = false;
  const cancel = (): void => stream.cancel();
  // The iteration below reports errors while it runs; a later one follows from the cancel.
  stream.on('error', () => undefined);
  signal.addEventListener('abort', cancel, { once: true });
  const timer = deps.clock.timer(createTimeoutMs, () => {
    late = true;
    cancel();
  });
  try {
    stream.write({
      create_request: {
        key: Buffer.from(prefix),
        range_end: prefixEnd(prefix),
        start_revision: Math.max(1, last),
        progress_notify: true,
        fragment: true,
      },
    });
    let place = last;
    let gathered: StoreEvent[] = [];
    for await (const response of stream as AsyncIterable<IWatchResponse>) {
      if (response.canceled) throw canceled(response, place);
      if (response.created) {
        timer.cancel();
        continue;
      }
      for (const event of response.events) {
        const stored = toStoreEvent(event);
        if (revisionOf(stored) > place) gathered.push(stored);
      }
      const lastEvent = gathered.at(-1);
      if (response.fragment) {
        // More events of the last revision may follow; earlier revisions are complete.
        const whole = lastEvent ? gathered.findIndex((one) => revisionOf(one) === revisionOf(lastEvent)) : 0;
        const events = gathered.splice(0, whole);
        const newest = events.at(-1);
        if (!newest) continue;
        place = revisionOf(newest);
        yield { revision: place, events };
        continue;
      }
      const progress = response.events.length === 0 ? Number(response.header.revision) : 0;
      const revision = lastEvent ? revisionOf(lastEvent) : progress;
      if (revision <= place) continue;
      place = revision;
      const events = gathered;
      gathered = [];
      yield { revision, events };
    }
    if (!signal.aborted) throw new ApiError('ServiceUnavailable', 'etcd ended the watch');
  } catch (error) {
    if (signal.aborted) return;
    throw late ? new ApiError('ServiceUnavailable', 'etcd did not confirm the watch in time') : error;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

function canceled(response: IWatchResponse, place: number): ApiError {
  const isCompacted = Number(response.compact_revision) > 0 || response.cancel_reason.includes('compacted');
  return isCompacted
    ? compacted(place)
    : new ApiError('ServiceUnavailable', `etcd canceled the watch: ${response.cancel_reason || 'no reason given'}`);
}

function toStoreEvent(event: IEvent): StoreEvent {
  const { kv } = event;
  const key = kv.key.toString();
  const revision = Number(kv.mod_revision);
  if (String(event.type).toLowerCase() === 'delete') return { type: 'delete', key, revision };
  return { type: 'put', item: { key, value: kv.value.toString(), revision, created: Number(kv.create_revision) } };
}

function revisionOf(event: StoreEvent): number {
  return event.type === 'put' ? event.item.revision : event.revision;
}
