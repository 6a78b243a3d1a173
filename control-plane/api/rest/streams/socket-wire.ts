import type { Socket } from 'node:net';
import type { Clock } from '../../../../shared/clock.ts';
import { ApiError } from '../../../../shared/errors.ts';
import { incomingOf } from '../../../../shared/rpc/streams.ts';
import type { Connection } from '../../../../shared/session.ts';
import { lingerMs } from './limits.ts';

/**
 * A socket after an upgrade: bytes both ways. `head`: the bytes that came with the request. Closing lets the client read the rest; a
 * client that does not close in return is disconnected after a while.
 */
export function socketWire(
  deps: { clock: Clock },
  { socket, head }: { readonly socket: Socket; readonly head: Uint8Array },
): Connection<Uint8Array, Uint8Array> {
  const rest = incomingOf<Uint8Array>(socket);
  async function* incoming(): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head;
    yield* rest;
  }
  let closed = false;
  let drained: Promise<void> | undefined;
  /** Shared by all that wait for room. */
  const room = (): Promise<void> => {
    drained ??= new Promise<void>((resolve) => {
      const settle = (): void => {
        socket.off('drain', settle).off('close', settle);
        drained = undefined;
        resolve();
      };
      socket.on('drain', settle).on('close', settle);
    });
    return drained;
  };
  return {
    async send(bytes) {
      if (socket.destroyed || socket.writableEnded)
        throw new ApiError('ServiceUnavailable', 'the connection was closed');
      if (!socket.write(bytes)) await room();
    },
    incoming: incoming(),
    close() {
      if (closed || socket.destroyed) return;
      closed = true;
      socket.end();
      const late = deps.clock.timer(lingerMs, () => socket.destroy());
      socket.once('close', () => late.cancel());
    },
  };
}
