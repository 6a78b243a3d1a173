import type { ServerResponse } from 'node:http';
import { aside } from '../../../../shared/aside.ts';
import type { Clock } from '../../../../shared/clock.ts';
import type { ApiWatchEvent } from '../../api.ts';
import { type Chunk, joined } from '../encoding/texts.ts';
import { drained, finished } from './drain.ts';
import { toApiError } from './respond.ts';

/** Text or bytes that wait to be written in one go. */
const bufferLength = 64 * 1024;

export interface WatchStream {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly contentType: string;
  /** A whole event on the wire, its object as the client wants to see it. */
  encode(event: ApiWatchEvent): Chunk;
  /** The event that ends a watch which can't go on. */
  encodeError(status: object): Chunk;
}

/**
 * Writes a watch event by event. What happens at one moment is written together; a client that reads too slowly holds
 * the reading of events back, and is ended by the cache (Expired) or, when it stops reading, by us.
 */
export async function streamWatch(stream: WatchStream, events: AsyncIterable<ApiWatchEvent>): Promise<void> {
  const { response, signal } = stream;
  const source = events[Symbol.asyncIterator]();
  response.writeHead(200, {
    'Content-Type': stream.contentType,
    'Cache-Control': 'no-cache, private',
    'Transfer-Encoding': 'chunked',
  });
  response.flushHeaders();
  const out = new Outbox(response);
  try {
    for (let next = await source.next(); !next.done; next = await source.next()) {
      out.push(stream.encode(next.value));
      if (out.length >= bufferLength) {
        if (!out.flush()) await drained(stream);
        // A client that takes everything at once would else keep all others waiting.
        await aside();
      } else if (response.writableNeedDrain) {
        await drained(stream);
      } else {
        out.flushSoon();
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    out.push(stream.encodeError(toApiError(error).toStatus()));
  } finally {
    await source.return?.();
    out.flush();
    response.end();
    await finished(stream);
  }
}

/** What has been encoded and not been written yet: little, and for no longer than this turn of the event loop. */
class Outbox {
  readonly #response: ServerResponse;
  #waiting: Chunk[] = [];
  #scheduled = false;
  length = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  push(chunk: Chunk): void {
    this.#waiting.push(chunk);
    this.length += chunk.length;
  }

  flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** False when the client takes no more for now. */
  flush(): boolean {
    this.#scheduled = false;
    const waiting = this.#waiting;
    if (waiting.length === 0 || this.#response.destroyed) return true;
    this.#waiting = [];
    this.length = 0;
    return this.#response.write(joined(waiting));
  }
}
