import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../shared/clock.ts';

/** A client that takes nothing for so long is cut off. */
const stalledMs = 30_000;

/** Writes a container's log as it comes. */
export async function streamLog(
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    // A node that refuses says so before the first byte: then the answer can still be an error.
    let next = await source.next();
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' });
    response.flushHeaders();
    while (!next.done && !signal.aborted) {
      if (!response.write(next.value)) {
        const stalled = clock.timer(stalledMs, () => response.destroy());
        await once(response, 'drain', { signal }).finally(() => stalled.cancel());
      }
      next = await source.next();
    }
  } finally {
    await source.return?.();
  }
  response.end();
}
