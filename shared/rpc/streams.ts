import type { Readable, Writable } from 'node:stream';
import { ApiError } from '../errors.ts';

/**
 * The messages of a gRPC stream, read as they are taken: what is not taken stays with the sender (flow control).
 * Listens from the moment of the call, so that no end or failure is missed before the first message is asked for.
 * Ends when the other side has ended in order; throws the stream's error, or ServiceUnavailable when it just broke. Once
 * the signal is aborted it throws its reason, whatever is still to be read.
 */
export function incomingOf<T>(stream: Readable, signal?: AbortSignal): AsyncIterable<T> {
  let outcome: { error?: unknown } | undefined;
  let wake: () => void = () => undefined;
  const settle = (result: { error?: unknown }): void => {
    outcome ??= result;
    wake();
  };
  stream.on('readable', () => wake());
  signal?.addEventListener('abort', () => settle({ error: signal.reason }), { once: true });
  // A cut stream ends too, just before it is known to be cut (HTTP/2 pushes the end first): the cut has the first word.
  stream.once('end', () => setImmediate(() => setImmediate(() => settle({}))));
  stream.on('error', (error) => settle({ error }));
  stream.once('cancelled', () => settle({ error: closed() }));
  stream.once('close', () => settle(stream.readableEnded ? {} : { error: closed() }));

  async function* read(): AsyncGenerator<T> {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      signal?.throwIfAborted();
      const message: T | null = stream.destroyed ? null : stream.read();
      if (message !== null) {
        yield message;
      } else if (outcome) {
        if (outcome.error !== undefined) throw outcome.error;
        return;
      } else {
        await changed;
      }
    }
  }
  return { [Symbol.asyncIterator]: read };
}

/** Hands a message to the stream and waits until it takes more. Rejects when the stream is gone. */
export function writeMessage(stream: Writable, message: unknown): Promise<void> {
  if (stream.destroyed || stream.writableEnded) return Promise.reject(closed());
  if (stream.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = (finish: () => void): void => {
      stream.off('drain', onDrain);
      for (const name of ends) stream.off(name, onEnd);
      finish();
    };
    const onDrain = (): void => done(resolve);
    const onEnd = (error?: unknown): void => done(() => reject(error instanceof Error ? error : closed()));
    stream.on('drain', onDrain);
    for (const name of ends) stream.on(name, onEnd);
  });
}

/** What may come instead of room for more: `status` and `cancelled` are grpc-js' own. */
const ends = ['error', 'close', 'status', 'cancelled'] as const;

function closed(): ApiError {
  return new ApiError('ServiceUnavailable', 'the connection was closed');
}
