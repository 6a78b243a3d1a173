import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../shared/clock.ts';
import type { ApiWatchEvent } from '../api.ts';
import { toApiError } from './respond.ts';

/** Text that waits to be written in one go. */
const bufferChars = 64 * 1024;
/** A client that takes nothing for so long is cut off. */
const stalledMs = 30_000;

export interface WatchStream {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The text of an event's object, as the client wants to see it. */
  encode(event: ApiWatchEvent): string;
}

/**
 * Writes a watch as a stream of JSON lines. What happens at one moment is written together; a client that reads too
 * slowly holds the reading of events back, and is ended by the cache (Expired) or, when it stops reading, by us.
 */
export async function streamWatch(stream: WatchStream, events: AsyncIterable<ApiWatchEvent>): Promise<void> {
  const { response, signal } = stream;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' });
  response.flushHeaders();
  let waiting = '';
  let scheduled = false;
  const flush = (): boolean => {
    scheduled = false;
    const text = waiting;
    waiting = '';
    return text === '' || response.destroyed || response.write(text);
  };
  try {
    for await (const event of events) {
      waiting += `{"type":"${event.type}","object":${stream.encode(event)}}\n`;
      if (waiting.length >= bufferChars) {
        if (!flush()) await drained(stream);
      } else if (response.writableNeedDrain) {
        await drained(stream);
      } else if (!scheduled) {
        scheduled = true;
        setImmediate(flush);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    waiting += `{"type":"ERROR","object":${JSON.stringify(toApiError(error).toStatus())}}\n`;
  } finally {
    flush();
    response.end();
  }
}

async function drained({ response, clock, signal }: WatchStream): Promise<void> {
  const stalled = clock.timer(stalledMs, () => response.destroy());
  try {
    await once(response, 'drain', { signal });
  } finally {
    stalled.cancel();
  }
}
