import type { Duplex } from 'node:stream';

/** Writes to a socket; resolves when it takes more, rejects when it is closed. */
export function writeTo(socket: Duplex, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || socket.writableEnded) return reject(closed());
    const settle = (finish: () => void): void => {
      socket.off('drain', onDrain);
      socket.off('close', onClose);
      finish();
    };
    const onDrain = (): void => settle(resolve);
    const onClose = (): void => settle(() => reject(closed()));
    if (socket.write(data)) return resolve();
    socket.on('drain', onDrain);
    socket.on('close', onClose);
  });
}

function closed(): Error {
  return new Error('the connection is closed');
}
