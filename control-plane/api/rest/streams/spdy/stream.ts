import { Handoff } from '../handoff.ts';
import { maxUntaken } from '../limits.ts';
import type { Headers } from './headers.ts';
import { SendWindow } from './window.ts';

/** The most bytes of one frame. */
const maxData = 32 * 1024;

/** What a stream needs of its connection. */
export interface StreamWires {
  readonly send: (data: Uint8Array, fin: boolean) => Promise<void>;
  readonly consumed: (size: number) => void;
  readonly reset: () => void;
  /** Both sides have ended. */
  readonly done: () => void;
}

/** One stream of bytes, both ways; each way ends by itself. */
export class SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  readonly window = new SendWindow();
  /** Aborted when the stream has ended both ways, by being reset or with its connection, too. */
  readonly closed: AbortSignal;
  readonly #wires: StreamWires;
  readonly #input: Handoff<Uint8Array>;
  readonly #closing = new AbortController();
  #theirEnd = false;
  #ourEnd = false;

  constructor(id: number, headers: Headers, wires: StreamWires) {
    this.id = id;
    this.headers = headers;
    this.#wires = wires;
    this.#input = new Handoff(maxUntaken, wires.consumed);
    this.closed = this.#closing.signal;
  }

  /** What the client sends; ends when it has ended its side, and when the stream is lost. To be taken once. */
  get incoming(): AsyncIterable<Uint8Array> {
    return this.#input;
  }

  /** Takes nothing of what the client sends. */
  ignoreInput(): void {
    this.#input.drop();
  }

  /** Resolves when more is taken; does nothing when the stream has ended. */
  async send(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && !this.#ourEnd; ) {
      const granted = await this.window.take(Math.min(maxData, data.length - at));
      if (!this.#ourEnd) await this.#wires.send(data.subarray(at, at + granted), false);
      at += granted;
    }
  }

  /** Nothing more is sent. */
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

  /** By the connection: bytes have come. */
  async take(data: Uint8Array, fin: boolean): Promise<void> {
    if (this.#theirEnd) return;
    if (data.length > 0) await this.#input.put(data, data.length);
    if (!fin) return;
    this.#theirEnd = true;
    this.#input.end();
    this.#settle();
  }

  /** By the connection: the client has reset the stream, or is gone. */
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
