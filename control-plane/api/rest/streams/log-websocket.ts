import { chosen, type StreamCall, type Upgrade, upgraded } from './connect.ts';
import { words } from './options.ts';
import { acceptWebSocket } from './websocket.ts';

/** By name: whether a message's data is base64, as text. */
const protocols: ReadonlyMap<string, boolean> = new Map([
  ['', false],
  ['binary.k8s.io', false],
  ['base64.binary.k8s.io', true],
]);

/**
 * Sends a log as the messages of a WebSocket, after an empty one that shows that it is open, and closes it at the end of the log
 * (apimachinery, util/httpstream/wsstream, `Reader`). What the client says is dropped; its close ends the log.
 */
export async function logOverWebSocket(
  call: StreamCall & { readonly upgrade: Upgrade },
  chunks: AsyncIterator<Uint8Array>,
  first: Promise<IteratorResult<Uint8Array>>,
): Promise<void> {
  const { request, upgrade, context } = call;
  const offered = words(request.headers['sec-websocket-protocol']);
  const { name, as: base64 } = chosen(protocols, offered.length > 0 ? offered : ['']);
  const messages = acceptWebSocket(call, { ...upgrade, request }, name);
  await upgraded(call, async () => {
    const ended = (async () => {
      for await (const _said of messages.incoming);
      // A log that is only waited for ends by its client's end.
      await chunks.return?.();
    })();
    try {
      await messages.send(base64 ? '' : new Uint8Array());
      for (let next = await first; !next.done && !context.signal.aborted; next = await chunks.next()) {
        await messages.send(base64 ? Buffer.from(next.value).toString('base64') : next.value);
      }
    } finally {
      messages.close();
      // The client closes in return when it has read all, or is cut off after a while.
      await ended;
    }
  });
}
