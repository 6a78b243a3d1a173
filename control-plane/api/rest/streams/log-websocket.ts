import { negotiated, type StreamCall, type Upgrade, upgraded } from './connect.ts';
import { words } from './options.ts';
import { acceptWebSocket } from './websocket.ts';

/** By subprotocol: whether messages are base64 text. */
const protocols: ReadonlyMap<string, boolean> = new Map([
  ['', false],
  ['binary.k8s.io', false],
  ['base64.binary.k8s.io', true],
]);

/**
 * Sends a log as WebSocket messages, after an empty one, and closes at the end of the log (apimachinery, util/httpstream/wsstream,
 * `Reader`). Messages of the client are dropped; its close ends the log.
 */
export async function logOverWebSocket(
  call: StreamCall & { readonly upgrade: Upgrade },
  chunks: AsyncIterator<Uint8Array>,
  first: Promise<IteratorResult<Uint8Array>>,
): Promise<void> {
  const { request, upgrade, context } = call;
  const offered = words(request.headers['sec-websocket-protocol']);
  const { name, as: base64 } = negotiated(protocols, offered.length > 0 ? offered : ['']);
  const messages = acceptWebSocket(call, { ...upgrade, request }, name);
  await upgraded(call, async () => {
    const ended = (async () => {
      for await (const _said of messages.incoming);
      // The client's close also ends a log that has no output.
      await chunks.return?.();
    })();
    try {
      await messages.send(base64 ? '' : new Uint8Array());
      for (let next = await first; !next.done && !context.signal.aborted; next = await chunks.next()) {
        await messages.send(base64 ? Buffer.from(next.value).toString('base64') : next.value);
      }
    } finally {
      messages.close();
      // The client closes in return when it has read everything, or is disconnected after a while.
      await ended;
    }
  });
}
