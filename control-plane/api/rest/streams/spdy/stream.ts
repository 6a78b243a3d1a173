import { BoundedQueue } from '../bounded-queue.ts';
import { maxUntaken } from '../limits.ts';
import type { Headers } from './headers.ts';
import { SendWindow } from './window.ts';

/** The most bytes of one frame. */
const maxData = 32 * 1024;

/** The part of its connection that a stream uses. */
export interface StreamWires {
  readonly send: (data: Uint8Array, fin: boolean) => Promise<void>;
  readonly consumed: (size: number) => void;
  readonly reset: () => void;
  /** Both sides have ended. */
  readonly done: () => void;
}

/** One stream of bytes in both directions; each direction ends by itself. */
export class SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  readonly window = new SendWindow();
  /** Aborted when both directions have ended, also by a reset or the end of the connection. */
  readonly closed: AbortSignal;
  readonly #wires: StreamWires;
  readonly #input: BoundedQueue<Uint8Array>;
  readonly #closing = new AbortController();
  #theirEnd = false;
  #ourEnd = false;

  constructor(id: number, headers: Headers, wires: StreamWires) {
    this.id = id;
    this.headers = headers;
    this.#wires = wires;
    this.#input = new BoundedQueue(maxUntaken, wires.consumed);
    this.closed = this.#closing.signal;
  }

  /** The client's bytes; ends with the client's direction, or when the stream is lost. To be read once. */
  get incoming(): AsyncIterable<Uint8Array> {
    return this.#input;
  }

  /** Drops the client's bytes. */
  ignoreInput(): void {
    this.#input.drop();
  }

  /** Resolves when there is room for more; does nothing when the stream has ended. */
  async send(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#ourEnd; ) {
      const granted = await this.window.take(Math.min(maxData, data.length - at));
      if (!this.#ourEnd) await this.#wires.send(data.subarray(at, at + granted), false);
      at += granted;
    }
  }

  /** Ends the server's direction. */
  async end(): Promise<void> {
    if (this.#ourEnd) return;
    this.#ourEnd = true;
    await this.#wires.send(new Uint8Array(0), true);
    this.#settle();
  }

  reset(): void {
    if (this.closed.aborted) return;
    this.lost();
    this.#wires.reset();
  }

  /** Called by the connection: bytes were received. */
  async take(data: Uint8Array, fin: boolean): Promise<void> {
    if (this.#theirEnd) return;
    if (data.length > 0) await this.#input.put(data, data.length);
    if (!fin) return;
    this.#theirEnd = true;
    this.#input.end();
    this.#settle();
  }

  /** Called by the connection: the client has reset the stream, or left. */
  lost(): void {
    this.#theirEnd = true;
    this.#ourEnd = true;
    this.window.close();
    this.#input.abort();
    this.#closing.abort();
  }

  #settle(): void {
    if (!this.#theirEnd || !this.#ourEnd) return;
    this.#wires.done();
    this.#closing.abort();
  }
}
