import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ApiError, messageOf } from '../../../../shared/errors.ts';
import type { Log } from '../../../../shared/log.ts';
import type { Upgrade } from './connect.ts';

/**
 * Node gives a request for an upgrade a bare socket. This makes a response for it, so that it is served or refused as any other; its
 * connection is closed after that, unless it was upgraded.
 */
export function takeOver(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  log: Log,
): { response: ServerResponse; upgrade: Upgrade } {
  const response = new ServerResponse(request);
  const failed = (error: unknown): void => log.debug({ url: request.url, err: messageOf(error) }, 'a stream ended');
  socket.on('error', failed);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.on('finish', () => socket.end());
  // An answer that was cut off.
  response.on('close', () => {
    if (response.socket && !response.writableFinished) socket.destroy();
  });
  return { response, upgrade: { socket: socket as Socket, head, failed } };
}

/** Throws BadRequest for a request with a body: its end is not visible in the bytes after the upgrade. */
export function refuseBody({ headers }: IncomingMessage): void {
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) return;
  throw new ApiError('BadRequest', 'a request that asks for an upgrade may have no body');
}
