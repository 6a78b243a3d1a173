import type { Duplex } from 'node:stream';
import { ApiError, messageOf } from '../../shared/errors.ts';
import type { PortForwardStreamParameters } from '../../shared/session.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { writeTo } from '../runtime/write-to.ts';
import { channels, type Serve, success } from './tunnel.ts';

export interface PortForwardDeps {
  readonly runtime: Pick<Runtime, 'dial'>;
  /** The pod's running sandbox. */
  sandboxOf(uid: string): string | undefined;
  /** The addresses of the pod on this node. */
  addressesOf(uid: string): readonly string[];
}

/** One connection to a port of the pod; its directions end independently. */
export function servePortForward(deps: PortForwardDeps, parameters: PortForwardStreamParameters): Serve {
  const { pod, uid, port, address } = parameters;
  return async (tunnel) => {
    const sandbox = deps.sandboxOf(uid);
    if (sandbox === undefined) throw new ApiError('NotFound', `pod not found ("${pod}_${parameters.namespace}")`);
    // A node connects to no other address, whatever the API says.
    if (address !== undefined && !deps.addressesOf(uid).includes(address)) {
      throw new ApiError('InternalError', `dial tcp ${address}:${port}: it is not an address of pod ${pod}`);
    }
    const dialling = deps.runtime.dial(sandbox, port, tunnel.signal, address);
    tunnel.take(async ({ channel, data, end }) => {
      const socket = await dialling;
      if (channel !== channels.stdin) return;
      if (data.length > 0) await writeTo(socket, data);
      if (end) socket.end();
    });
    let socket: Duplex;
    try {
      socket = await dialling;
    } catch (error) {
      const what = address === undefined ? `error forwarding port ${port} to pod ${pod}, uid ${uid}: ` : '';
      throw new ApiError('InternalError', what + messageOf(error));
    }
    // Its errors are reported where it is read.
    socket.on('error', () => undefined);
    const close = (): void => void socket.destroy();
    tunnel.signal.addEventListener('abort', close, { once: true });
    try {
      if (tunnel.signal.aborted) close();
      // Not destroyed at its end: the pod may have ended its direction only.
      for await (const data of socket.iterator({ destroyOnReturn: false }))
        await tunnel.send(channels.stdout, data as Uint8Array);
      await tunnel.end(channels.stdout);
      // The other direction goes on until it ends as well.
      await closed(socket);
      return success;
    } finally {
      tunnel.signal.removeEventListener('abort', close);
      socket.destroy();
    }
  };
}

function closed(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || socket.writableFinished) return resolve();
    socket.once('close', () => resolve());
    socket.once('finish', () => resolve());
  });
}
