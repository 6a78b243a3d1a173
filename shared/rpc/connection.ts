import type { Readable, Writable } from 'node:stream';
import type { Connection } from '../session.ts';
import { incomingOf, writeMessage } from './streams.ts';

/** How the messages of a stream are converted and read. */
export interface ConnectionOptions<WireIn, WireOut, In, Out> {
  encode(message: Out): WireOut;
  /** Undefined for a message to skip, such as one of a newer version. */
  decode(wire: WireIn): In | undefined;
  /** Awaited before a message is decoded: until then flow control holds back the sender. */
  pace?(wire: WireIn): Promise<void>;
  /** Converts what the stream throws. */
  toApiError?(error: unknown): unknown;
  /** Ends reading. */
  readonly signal?: AbortSignal | undefined;
}

/** A stream of gRPC messages as a connection. */
export function connectionOver<WireIn, WireOut, In, Out>(
  stream: Readable & Writable,
  options: ConnectionOptions<WireIn, WireOut, In, Out>,
): Connection<In, Out> {
  const { encode, toApiError = (error) => error } = options;
  return {
    async send(message) {
      try {
        await writeMessage(stream, encode(message));
      } catch (error) {
        throw toApiError(error);
      }
    },
    incoming: decoded(incomingOf<WireIn>(stream, options.signal), options),
    close: () => void stream.end(),
  };
}

async function* decoded<WireIn, In>(
  wire: AsyncIterable<WireIn>,
  { decode, pace, toApiError }: Pick<ConnectionOptions<WireIn, never, In, never>, 'decode' | 'pace' | 'toApiError'>,
): AsyncGenerator<In> {
  try {
    for await (const message of wire) {
      await pace?.(message);
      const known = decode(message);
      if (known !== undefined) yield known;
    }
  } catch (error) {
    throw toApiError ? toApiError(error) : error;
  }
}
