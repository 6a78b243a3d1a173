import { messageOf } from '../../../../shared/errors.ts';
import { BoundedQueue } from './bounded-queue.ts';
import { channels, failureText, frame } from './channels.ts';
import { type ChannelMessage, decodeBase64, decodeBinary, encodeBase64, encodeBinary } from './exec-websocket.ts';
import type { Forwarding } from './forward-spdy.ts';
import { maxUntaken } from './limits.ts';
import { type ClientEnd, relay } from './relay.ts';
import type { Messages } from './websocket.ts';

/** Whether each message is base64 after a digit. The empty name is that of clients without a subprotocol. */
export const forwardProtocols: ReadonlyMap<string, boolean> = new Map([
  ['v4.channel.k8s.io', false],
  ['v4.base64.channel.k8s.io', true],
  ['', false],
]);

/**
 * Serves port-forward over a WebSocket with two channels a port (the kubelet's older protocol): 2n carries the bytes of one connection,
 * 2n+1 its error. Both begin with the port's number. When all connections have ended, the WebSocket is closed.
 */
export async function forwardOverWebSocket(
  deps: Forwarding,
  messages: Messages,
  base64: boolean,
  ports: readonly number[],
): Promise<void> {
  const encode = base64 ? encodeBase64 : encodeBinary;
  const inputs = ports.map(() => new BoundedQueue<Uint8Array>(maxUntaken));
  const reading = carryIn(messages, base64 ? decodeBase64 : decodeBinary, inputs);
  for (const [i, port] of ports.entries()) {
    const number = Uint8Array.of(port & 0xff, port >> 8);
    await messages.send(encode(2 * i, number));
    await messages.send(encode(2 * i + 1, number));
  }
  await Promise.all(
    inputs.map(async (input, i) => {
      const port = ports[i] ?? 0;
      const fail = (why: string): Promise<void> => messages.send(encode(2 * i + 1, Buffer.from(why)));
      try {
        const send = (data: Uint8Array): Promise<void> => messages.send(encode(2 * i, data));
        await relay(clientEnd(input, send, fail), await deps.openPort(port), deps.signal);
      } catch (error) {
        await fail(deps.failure(port, messageOf(error)));
      }
    }),
  ).finally(() => messages.close());
  await reading;
}

/** Resolves when the client has gone. */
async function carryIn(
  messages: Messages,
  decode: (message: Buffer) => ChannelMessage,
  inputs: readonly BoundedQueue<Uint8Array>[],
): Promise<void> {
  for await (const message of messages.incoming) {
    const { channel, data } = decode(message);
    if (channel % 2 === 0) await inputs[channel / 2]?.put(data, data.length);
  }
  for (const input of inputs) input.end();
}

/** The client's end of one port's connection. It has no half-close: the pod's end is the end of both directions. */
function clientEnd(
  input: BoundedQueue<Uint8Array>,
  send: (data: Uint8Array) => Promise<void>,
  fail: (why: string) => Promise<void>,
): ClientEnd {
  let over = false;
  async function* incoming(): AsyncGenerator<ReturnType<typeof frame>> {
    for await (const data of input) yield frame(channels.stdin, data);
  }
  return {
    incoming: incoming(),
    async send({ channel, data, end }) {
      // An error after the end is not reported.
      if (over) return;
      if (channel === channels.stdout) {
        if (data.length > 0) await send(data);
        if (end) {
          over = true;
          input.end();
        }
        return;
      }
      const why = channel === channels.status ? failureText(data) : '';
      if (why !== '') await fail(why);
    },
    close() {
      over = true;
      input.abort();
    },
  };
}
