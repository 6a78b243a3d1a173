import type { Readable, Writable } from 'node:stream';
import { ApiError } from '../errors.ts';

/**
 * The messages of a gRPC stream, read on demand: flow control holds the others at the sender. Listens at once, so that no end or
 * failure before the first read is missed. Ends when the peer has ended the stream; throws the stream's error, ServiceUnavailable if
 * the connection broke, and the signal's reason as soon as it is aborted.
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
  // A cut stream also emits `end`, just before its error (HTTP/2 pushes the end first): the error has precedence.
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

/** Writes a message and waits until the stream takes more. Rejects when the stream is closed. */
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

/** The events of a stream that will not drain; `status` and `cancelled` are grpc-js' own. */
const ends = ['error', 'close', 'status', 'cancelled'] as const;

function closed(): ApiError {
  return new ApiError('ServiceUnavailable', 'the connection was closed');
}
