import { Duplex } from 'node:stream';
import { channels, type TunnelEnd } from './tunnel.ts';

/**
 * The bytes of a tunnel as a stream that a server of Node's can serve: what comes in on channel 0 is read, what is written goes out on
 * channel 1. Neither side is read faster than the other takes it. To be made before anything is waited for (`TunnelEnd.take`).
 */
export function tunnelDuplex(tunnel: TunnelEnd): Duplex {
  let wanted: () => void = () => undefined;
  const duplex = new Duplex({
    read: () => wanted(),
    write(data: Uint8Array, _encoding, done) {
      tunnel.send(channels.stdout, data).then(() => done(), done);
    },
    final(done) {
      tunnel.end(channels.stdout).then(() => done(), done);
    },
    destroy(error, done) {
      wanted();
      done(error);
    },
  });
  tunnel.take(async ({ channel, data, end }) => {
    if (channel !== channels.stdin || duplex.destroyed || duplex.readableEnded) return;
    if (data.length > 0 && !duplex.push(data)) {
      await new Promise<void>((resolve) => {
        wanted = resolve;
      });
    }
    if (end) duplex.push(null);
  });
  const gone = (): void => void duplex.destroy();
  tunnel.signal.addEventListener('abort', gone, { once: true });
  duplex.once('close', () => tunnel.signal.removeEventListener('abort', gone));
  if (tunnel.signal.aborted) gone();
  return duplex;
}
