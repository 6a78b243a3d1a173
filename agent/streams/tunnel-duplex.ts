import { Duplex } from 'node:stream';
import { channels, type TunnelEnd } from './tunnel.ts';

/**
 * A tunnel as a Duplex for a Node server: it reads channel 0 and writes channel 1, each at the speed of its reader. Create it before the
 * first await (`TunnelEnd.take`).
 */
export function tunnelDuplex(tunnel: TunnelEnd): Duplex {
  let resume: () => void = () => undefined;
  const duplex = new Duplex({
    read: () => resume(),
    write(data: Uint8Array, _encoding, done) {
      tunnel.send(channels.stdout, data).then(() => done(), done);
    },
    final(done) {
      tunnel.end(channels.stdout).then(() => done(), done);
    },
    destroy(error, done) {
      resume();
      done(error);
    },
  });
  tunnel.take(async ({ channel, data, end }) => {
    if (channel !== channels.stdin || duplex.destroyed || duplex.readableEnded) return;
    if (data.length > 0 && !duplex.push(data)) {
      await new Promise<void>((resolve) => {
        resume = resolve;
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
