import { aside } from '../../../shared/aside.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import { encodeObject } from '../../../shared/rpc/convert.ts';
import type { ListResponse } from '../../../shared/rpc/messages.ts';
import { packedBytes } from '../../store/cache/packed.ts';
import type { Api, ListQuery, RequestContext } from '../api.ts';
import { tooLargeAtOnce } from '../requests/read.ts';

/** A page that is asked for ends behind the object with which it comes to so much: with it, it is within the 4 MiB that clients take unasked. */
const pageBytes = 2 * 1024 * 1024;
/** The most of a list for which no page is asked, in bytes: it is one message, and stands in memory until its client has taken it. */
const messageBytes = 32 * 1024 * 1024;
/** What is encoded before others' requests go first, in bytes. */
const pieceBytes = 256 * 1024;

/** A list as one message, its objects encoded piece by piece. Throws RequestEntityTooLarge, which says to ask for pages. */
export async function listMessage(
  api: Api,
  context: RequestContext,
  entry: KindEntry,
  query: ListQuery,
): Promise<ListResponse> {
  const page = await api.list(context, query.limit ? { ...query, pageBytes } : query);
  const { resourceVersion, remainingItemCount, continue: next, served } = page;
  const encoded: Uint8Array[] = [];
  let bytes = 0;
  let since = 0;
  for (const item of page.items) {
    const made = encodeObject(entry.message, served ? served(item) : item);
    encoded.push(made);
    bytes += made.length;
    since += made.length + packedBytes(item);
    if (bytes > messageBytes && !query.limit) throw tooLargeAtOnce(messageBytes);
    if (since < pieceBytes) continue;
    since = 0;
    await aside();
    context.signal.throwIfAborted();
  }
  return {
    metadata: {
      resourceVersion,
      ...(next ? { continue: next } : {}),
      ...(remainingItemCount === undefined ? {} : { remainingItemCount }),
    },
    items: [],
    encoded,
  };
}
