import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Timer } from '../../../../shared/clock.ts';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { Connection } from '../../../../shared/session.ts';
import { badRequest } from '../../requests/refusals.ts';
import { BoundedQueue } from './bounded-queue.ts';
import { FrameQueue, type WriteFrame } from './frame-queue.ts';
import { heartbeat } from './heartbeat.ts';
import { idleMs, lingerMs, maxUntaken, pingMs } from './limits.ts';

/** The most bytes of a message: Kubernetes' limit. */
const maxMessage = 32 * 1024 * 1024;
/** The most queued bytes before senders must wait. */
const maxUnsent = 256 * 1024;

/** Messages both ways. Text is received as bytes; strings are sent as text. */
export type Messages = Connection<Buffer, Uint8Array | string>;

/** Answers the handshake with this subprotocol (empty: none). Throws BadRequest for a malformed one, before anything is written. */
export function acceptWebSocket(
  deps: { clock: Clock },
  upgrade: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
  protocol: string,
): Messages {
  const options = {
    noServer: true,
    clientTracking: false,
    autoPong: false,
    maxPayload: maxMessage,
    closeTimeout: lingerMs,
  };
  const server = new WebSocketServer(options);
  let refused: Error | undefined;
  let accepted: WebSocket | undefined;
  server.on('wsClientError', (error) => {
    refused = error;
  });
  // The subprotocol is already chosen: the library would refuse the slash in one of Kubernetes' names.
  upgrade.request.headers['sec-websocket-protocol'] = undefined;
  if (protocol !== '') server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  server.handleUpgrade(upgrade.request, upgrade.socket, upgrade.head, (socket) => {
    accepted = socket;
  });
  if (!accepted) throw badRequest(`the WebSocket handshake failed: ${messageOf(refused)}`);
  return messagesOf(deps, accepted);
}

/**
 * While received messages are not taken, the socket is not read, and the client's pings are not seen. Unsolicited pongs (RFC 6455,
 * section 5.5.3) then keep the connection; otherwise pings do.
 */
function messagesOf({ clock }: { clock: Clock }, socket: WebSocket): Messages {
  let used = clock.monotonic();
  const taken = (): void => {
    if (socket.isPaused && !incoming.full) socket.resume();
  };
  const incoming = new BoundedQueue<Buffer>(maxUntaken, taken);
  const frames = new FrameQueue(maxUnsent);
  /** A failed frame shows in the close that follows. */
  const control = (write: WriteFrame): void => void frames.send(0, write).catch(() => undefined);
  const beat = heartbeat(clock, pingMs, () => {
    if (clock.monotonic() - used > idleMs) control(() => socket.close(1001, 'idle'));
    // A frame that is being written shows by itself whether the client is there.
    else if (socket.readyState !== socket.OPEN || frames.busy) return;
    else if (socket.isPaused) control((done) => socket.pong('', false, done));
    else control((done) => socket.ping('', false, done));
  });
  // Only the last ping has to be answered (RFC 6455, section 5.5.3).
  let ping: Buffer | undefined;
  socket.on('ping', (data: Buffer) => {
    const answered = ping !== undefined;
    ping = data;
    if (answered) return;
    control((done) => {
      const payload = ping;
      ping = undefined;
      socket.pong(payload, false, done);
    });
  });
  socket.on('message', (data: Buffer) => {
    used = clock.monotonic();
    void incoming.put(data, data.length);
    if (incoming.full) socket.pause();
  });
  socket.on('error', () => undefined);
  let late: Timer | undefined;
  socket.on('close', () => {
    late?.cancel();
    frames.end();
    beat.stop();
    incoming.end();
  });
  return {
    incoming,
    async send(message) {
      if (socket.readyState !== socket.OPEN) throw new ApiError('ServiceUnavailable', 'the connection was closed');
      used = clock.monotonic();
      await frames.send(message.length, (done) => socket.send(message, done));
    },
    close() {
      incoming.drop();
      if (socket.isPaused) socket.resume();
      control(() => socket.close(1000));
      late ??= clock.timer(lingerMs, () => socket.terminate());
    },
  };
}
