import { Duplex } from 'node:stream';
import { ApiError } from '../../../../shared/errors.ts';
import type { Status } from '../../../../shared/generated/types.ts';
import type { TunnelFrame } from '../../../../shared/session.ts';
import type { PodStream } from '../../api.ts';
import { channels, endFrame, frame } from '../streams/channels.ts';
import { maxFrame } from '../streams/limits.ts';

/**
 * A connection into a pod as a socket for HTTP, with back-pressure both ways. An error that the node reports, such as a refused
 * connection, destroys it.
 */
export class TunnelSocket extends Duplex {
  readonly #stream: PodStream;
  readonly #frames: AsyncIterator<TunnelFrame>;
  #reading = false;
  #ended = false;

  constructor(stream: PodStream) {
    super();
    this.#stream = stream;
    this.#frames = stream.incoming[Symbol.asyncIterator]();
  }

  override _read(): void {
    if (this.#reading || this.#ended) return;
    this.#reading = true;
    this.#readOn().catch((error: unknown) => this.destroy(error as Error));
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(data).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.send(endFrame(channels.stdin)).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream.close();
    done(error);
  }

  /** Called by Node's HTTP client; they do nothing for a tunnel. */
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  async #send(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += maxFrame) {
      await this.#stream.send(frame(channels.stdin, data.subarray(at, at + maxFrame)));
    }
  }

  /** Pushes received data until the reader's buffer is full. */
  async #readOn(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#frames.next();
      if (done) throw new ApiError('ServiceUnavailable', 'the connection to the node was lost');
      const { channel, data, end } = value;
      if (channel === channels.status) {
        const status = JSON.parse(Buffer.from(data).toString()) as Status;
        if (status.status === 'Failure') throw ApiError.fromStatus(status);
        return this.#end();
      }
      if (channel !== channels.stdout) continue;
      const more = data.length === 0 || this.push(data);
      if (end) return this.#end();
      if (more) continue;
      this.#reading = false;
      return;
    }
  }

  #end(): void {
    this.#ended = true;
    this.push(null);
  }
}
