import { channels, endFrame, failureText, frame, Resizes } from './channels.ts';
import type { ClientEnd } from './relay.ts';
import type { Messages } from './websocket.ts';

/** In version 5 a message on this channel names, in one byte, a channel that the client has closed. */
const closeChannel = 255;

/** The properties of a subprotocol of exec and attach. */
interface Protocol {
  /** Each message's data is base64 after a digit, instead of bytes after a byte. */
  readonly base64: boolean;
  /** The end is a Status; else it is text, and only of a failure. */
  readonly status: boolean;
  readonly closes: boolean;
}

export const newestExec = 'v5.channel.k8s.io';

/**
 * The subprotocols that the API server of Kubernetes 1.32 serves (v5) or passes to the kubelet. The empty name is that of clients without
 * a subprotocol.
 */
export const execProtocols: ReadonlyMap<string, Protocol> = new Map([
  [newestExec, { base64: false, status: true, closes: true }],
  ['v4.channel.k8s.io', { base64: false, status: true, closes: false }],
  ['v4.base64.channel.k8s.io', { base64: true, status: true, closes: false }],
  ['channel.k8s.io', { base64: false, status: false, closes: false }],
  ['base64.channel.k8s.io', { base64: true, status: false, closes: false }],
  ['', { base64: false, status: false, closes: false }],
]);

/** The channels of the query; others are dropped. */
export interface Wanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The client's end of exec or attach over a WebSocket: each message is a channel and its data. */
export function execOverWebSocket(messages: Messages, protocol: Protocol, wanted: Wanted): ClientEnd {
  const encode = protocol.base64 ? encodeBase64 : encodeBinary;
  async function* incoming(): AsyncGenerator<ReturnType<typeof frame>> {
    const resizes = new Resizes();
    for await (const message of messages.incoming) {
      const { channel, data } = protocol.base64 ? decodeBase64(message) : decodeBinary(message);
      if (channel === channels.stdin && wanted.stdin && data.length > 0) yield frame(channels.stdin, data);
      else if (channel === channels.resize && wanted.tty) yield* resizes.push(data);
      else if (channel === closeChannel && protocol.closes && data[0] === channels.stdin && wanted.stdin) {
        yield endFrame(channels.stdin);
      }
    }
  }
  return {
    incoming: incoming(),
    async send({ channel, data }) {
      if (channel === channels.status && !protocol.status) {
        const text = failureText(data);
        if (text !== '') await messages.send(encode(channel, Buffer.from(text)));
      } else if (data.length > 0) {
        await messages.send(encode(channel, data));
      }
    },
    close: () => messages.close(),
  };
}

/** The empty message that tells clients that the stream is open: on the lowest channel that the server writes. */
export function greeting(protocol: Protocol, wanted: Wanted): Uint8Array | string {
  const lowest = wanted.stdout ? channels.stdout : wanted.stderr ? channels.stderr : channels.status;
  return (protocol.base64 ? encodeBase64 : encodeBinary)(lowest, new Uint8Array(0));
}

export interface ChannelMessage {
  /** -1: of no channel. */
  readonly channel: number;
  readonly data: Uint8Array;
}

export function decodeBinary(message: Buffer): ChannelMessage {
  return { channel: message[0] ?? -1, data: message.subarray(1) };
}

export function encodeBinary(channel: number, data: Uint8Array): Uint8Array {
  const message = Buffer.allocUnsafe(data.length + 1);
  message[0] = channel;
  message.set(data, 1);
  return message;
}

export function decodeBase64(message: Buffer): ChannelMessage {
  const channel = (message[0] ?? 0) - 0x30;
  return { channel, data: Buffer.from(message.toString('latin1', 1), 'base64') };
}

export function encodeBase64(channel: number, data: Uint8Array): string {
  return (
    String.fromCharCode(0x30 + channel) + Buffer.from(data.buffer, data.byteOffset, data.length).toString('base64')
  );
}
