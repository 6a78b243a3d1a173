import type { ServerResponse } from 'node:http';
import type { Clock } from '../../../../shared/clock.ts';
import { drained } from './drain.ts';

/** A node that has not refused by then has a log, which is still empty. */
const refusalMs = 1_000;

/**
 * Waits for the first bytes, though not for long, before the answer begins: a refusal of the node comes before them, and can then
 * still be answered as an error.
 */
export async function withFirst(
  chunks: AsyncIterable<Uint8Array>,
  clock: Clock,
  send: (source: AsyncIterator<Uint8Array>, first: Promise<IteratorResult<Uint8Array>>) => Promise<void>,
): Promise<void> {
  const source = chunks[Symbol.asyncIterator]();
  const first = source.next();
  let come = false;
  const onFirst = (): void => {
    come = true;
  };
  first.then(onFirst, onFirst);
  try {
    let late: { cancel(): void } | undefined;
    const waited = new Promise<void>((resolve) => {
      late = clock.timer(refusalMs, resolve);
    });
    await Promise.race([first, waited]).finally(() => late?.cancel());
    await send(source, first);
  } finally {
    const left = source.return?.();
    // A source that has not yielded its first bytes ends with the request's signal.
    if (come) await left;
  }
}

/** Writes a container's log as it arrives. */
export async function streamLog(
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
  source: AsyncIterator<Uint8Array>,
  first: Promise<IteratorResult<Uint8Array>>,
): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Transfer-Encoding': 'chunked' });
  response.flushHeaders();
  for (let next = await first; !next.done && !signal.aborted; next = await source.next()) {
    if (!response.write(next.value)) await drained({ response, clock, signal });
  }
  response.end();
}
