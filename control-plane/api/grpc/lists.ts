import { aside } from '../../../shared/aside.ts';
import type { KindEntry } from '../../../shared/kinds/table.ts';
import { encodeObject } from '../../../shared/rpc/convert.ts';
import type { ListResponse } from '../../../shared/rpc/messages.ts';
import { packedBytes } from '../../store/cache/packed.ts';
import type { Api, ListQuery, RequestContext } from '../api.ts';
import { tooLargeAtOnce } from '../requests/read.ts';

/** A page ends after the object that exceeds so many bytes, so that it stays below the 4 MiB that clients accept by default. */
const pageBytes = 2 * 1024 * 1024;
/** The most bytes of a list without pages: it is one message, which stays in memory until its client has taken it. */
const messageBytes = 32 * 1024 * 1024;
/** The bytes that are encoded before other requests are served. */
const pieceBytes = 256 * 1024;

/** A list as one message, encoded piece by piece. Throws RequestEntityTooLarge for a list that must be read in pages. */
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
