import type { Readable, Writable } from 'node:stream';
import type { Connection } from '../session.ts';
import { incomingOf, writeMessage } from './streams.ts';

/**
 * A stream of gRPC messages as a connection of ours. `decode` gives undefined for messages to pass over. `pace` is waited for before a
 * message is decoded: until then the sender is held up by flow control.
 */
export function connectionOver<WireIn, WireOut, In, Out>(
  stream: Readable & Writable,
  encode: (message: Out) => WireOut,
  decode: (wire: WireIn) => In | undefined,
  toApiError: (error: unknown) => unknown,
  signal?: AbortSignal,
  pace?: (wire: WireIn) => Promise<void>,
): Connection<In, Out> {
  const wire = incomingOf<WireIn>(stream, signal);
  return {
    async send(message) {
      try {
        await writeMessage(stream, encode(message));
      } catch (error) {
        throw toApiError(error);
      }
    },
    incoming: decoded(wire, decode, toApiError, pace),
    close: () => void stream.end(),
  };
}

async function* decoded<WireIn, In>(
  wire: AsyncIterable<WireIn>,
  decode: (wire: WireIn) => In | undefined,
  toApiError: (error: unknown) => unknown,
  pace?: (wire: WireIn) => Promise<void>,
): AsyncGenerator<In> {
  try {
    for await (const message of wire) {
      await pace?.(message);
      // A message of a kind that this version does not know is passed over: newer peers may send some.
      const known = decode(message);
      if (known !== undefined) yield known;
    }
  } catch (error) {
    throw toApiError(error);
  }
}
