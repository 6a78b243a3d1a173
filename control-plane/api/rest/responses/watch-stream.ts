import type { ServerResponse } from 'node:http';
import { aside } from '../../../../shared/aside.ts';
import type { Clock } from '../../../../shared/clock.ts';
import type { ApiWatchEvent } from '../../api.ts';
import { type Chunk, joined } from '../encoding/texts.ts';
import { drained, finished } from './drain.ts';
import { toApiError } from './respond.ts';

/** The most characters or bytes that are written at once. */
const bufferLength = 64 * 1024;

export interface WatchStream {
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly contentType: string;
  /** Encodes an event. */
  encode(event: ApiWatchEvent): Chunk;
  /** Encodes the event that ends a watch which cannot go on. */
  encodeError(status: object): Chunk;
}

/**
 * Writes the events of a watch; those of one turn of the event loop together. While a client reads slowly, no further events are
 * read; the cache ends its watch (Expired), or `drained` disconnects it.
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
        // A client that reads fast must not block other requests.
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

/** Encoded chunks that are written at the end of this turn of the event loop. */
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

  /** False when the response's buffer is full. */
  flush(): boolean {
    this.#scheduled = false;
    const waiting = this.#waiting;
    if (waiting.length === 0 || this.#response.destroyed) return true;
    this.#waiting = [];
    this.length = 0;
    return this.#response.write(joined(waiting));
  }
}
