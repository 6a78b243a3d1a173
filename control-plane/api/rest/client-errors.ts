import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The answers to what cannot be read as a request, by Node's error codes. */
const answers: Readonly<Record<string, string | undefined>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/**
 * Answers what is not HTTP, and requests that take too long to arrive, as Node itself does; but not requests whose bodies are streams.
 * Node has one timeout for all requests of a server.
 */
export class ClientErrors {
  readonly #answering = new WeakMap<Duplex, ServerResponse>();
  readonly #lasting = new WeakSet<Duplex>();

  begin({ socket }: IncomingMessage, response: ServerResponse): void {
    this.#answering.set(socket, response);
  }

  /** The request under way on this connection is long-running. */
  longRunning({ socket }: IncomingMessage): void {
    this.#lasting.add(socket);
  }

  end({ socket }: IncomingMessage, response: ServerResponse): void {
    // The next request of the connection may have begun.
    if (this.#answering.get(socket) !== response) return;
    this.#answering.delete(socket);
    this.#lasting.delete(socket);
  }

  readonly listener = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    const { code = '' } = error;
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.#lasting.has(socket)) return;
    // What has begun to be answered can only be cut off.
    if (!socket.writable || this.#answering.get(socket)?.headersSent) return void socket.destroy(error);
    socket.end(`HTTP/1.1 ${answers[code] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`, () =>
      socket.destroy(error),
    );
  };
}
