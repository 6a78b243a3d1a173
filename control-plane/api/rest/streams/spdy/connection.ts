import type { Clock } from '../../../../../shared/clock.ts';
import type { Connection } from '../../../../../shared/session.ts';
import { heartbeat } from '../heartbeat.ts';
import { idleMs, pingMs } from '../limits.ts';
import { SpdyError } from './error.ts';
import { decodeFrames, type Frame, FrameEncoder, goAwayStatus, resetStatus } from './frames.ts';
import { SpdyStream, type StreamWires } from './stream.ts';
import { initialWindow, SendWindow } from './window.ts';

/** The most streams at a time; a forwarded connection takes two. */
const maxStreams = 2_000;
/** The most unread answers to control frames (pings, new streams, window updates). */
const maxAnswers = 10_000;
/** The bytes of one window update. */
const windowStep = initialWindow / 2;
type Wire = Connection<Uint8Array, Uint8Array>;

/**
 * The server's side of a SPDY/3.1 connection on which the client opens streams of bytes.
 *
 * Flow control: Kubernetes' own clients (Go's spdystream) neither send window updates nor obey windows. So the server obeys a window
 * only once the client has sent an update, and bounds the unread bytes of a stream by not reading the connection, with all its streams.
 */
export class SpdyConnection {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #accept: (stream: SpdyStream) => boolean;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #encoder = new FrameEncoder();
  readonly #window = new SendWindow();
  #lastStream = 0;
  #consumed = 0;
  #answers = 0;
  #pings = 0;
  #used = 0;
  /** The other side's initial window of new streams. */
  #announced: number | undefined;
  #closing = false;

  /** `accept` is called for each new stream, before any of its bytes; false refuses it. */
  constructor(deps: { clock: Clock }, wire: Wire, accept: (stream: SpdyStream) => boolean) {
    this.#clock = deps.clock;
    this.#wire = wire;
    this.#accept = accept;
  }

  /** Serves until the other side has left; throws SpdyError when it violates the protocol. The connection has ended then. */
  async run(): Promise<void> {
    this.#used = this.#clock.monotonic();
    const beat = heartbeat(this.#clock, pingMs, () => {
      if (this.#clock.monotonic() - this.#used > idleMs) return this.abort();
      this.#pings += 2;
      this.#answer({ type: 'ping', id: this.#pings });
    });
    try {
      for await (const frame of decodeFrames(this.#wire.incoming)) await this.#take(frame);
    } catch (error) {
      if (error instanceof SpdyError) this.#goAway(goAwayStatus.protocolError);
      throw error;
    } finally {
      beat.stop();
      this.abort();
    }
  }

  /** Ends all streams and the connection. */
  abort(): void {
    for (const stream of this.#streams.values()) stream.lost();
    this.#streams.clear();
    this.#window.close();
    this.close();
  }

  /** Sends GOAWAY, and lets the other side close once it has read everything. */
  close(): void {
    if (!this.#closing) this.#goAway(goAwayStatus.ok);
    this.#wire.close();
  }

  async #take(frame: Frame): Promise<void> {
    switch (frame.type) {
      case 'synStream':
        return this.#open(frame);
      case 'data': {
        const stream = this.#streams.get(frame.stream);
        this.#used = this.#clock.monotonic();
        if (stream) return stream.take(frame.data, frame.fin);
        if (frame.stream > this.#lastStream) throw new SpdyError(`data of stream ${frame.stream}, which is not open`);
        // Sent before the other side received the server's end of the stream.
        this.#credit(frame.data.length);
        return;
      }
      case 'rstStream':
        this.#streams.get(frame.stream)?.lost();
        this.#streams.delete(frame.stream);
        return;
      case 'ping':
        // Even ids answer the server's own pings.
        if (frame.id % 2 === 1) this.#answer(frame);
        return;
      case 'windowUpdate':
        if (frame.stream === 0) this.#window.grow(frame.delta);
        else this.#streams.get(frame.stream)?.window.grow(frame.delta);
        return;
      case 'settings':
        if (frame.initialWindow === undefined) return;
        for (const stream of this.#streams.values()) stream.window.announce(frame.initialWindow);
        this.#announced = frame.initialWindow;
        return;
      case 'headers':
        if (frame.fin) return this.#streams.get(frame.stream)?.take(new Uint8Array(0), true);
        return;
      case 'goAway':
      case 'synReply':
        return;
    }
  }

  #open({ stream: id, headers, fin }: Frame & { type: 'synStream' }): Promise<void> | undefined {
    if (id % 2 === 0 || id <= this.#lastStream) throw new SpdyError(`${id} is no new stream's number`);
    this.#lastStream = id;
    if (this.#closing || this.#streams.size >= maxStreams) {
      this.#answer({ type: 'rstStream', stream: id, status: resetStatus.refusedStream });
      return;
    }
    const stream = new SpdyStream(id, headers, this.#wiresOf(id));
    if (this.#announced !== undefined) stream.window.announce(this.#announced);
    // The reply to the new stream comes before any of its data.
    this.#streams.set(id, stream);
    this.#answer({ type: 'synReply', stream: id, headers: new Map(), fin: false });
    if (!this.#accept(stream)) {
      stream.reset();
      return;
    }
    return fin ? stream.take(new Uint8Array(0), true) : undefined;
  }

  #wiresOf(id: number): StreamWires {
    let consumed = 0;
    return {
      send: async (data, fin) => {
        this.#used = this.#clock.monotonic();
        if (data.length === 0) return this.#send({ type: 'data', stream: id, data, fin });
        for (let at = 0; at < data.length; ) {
          const part = data.subarray(at, at + (await this.#window.take(data.length - at)));
          at += part.length;
          await this.#send({ type: 'data', stream: id, data: part, fin: fin && at === data.length });
        }
      },
      consumed: (size) => {
        this.#credit(size);
        consumed += size;
        if (consumed < windowStep || !this.#streams.has(id)) return;
        this.#answer({ type: 'windowUpdate', stream: id, delta: consumed });
        consumed = 0;
      },
      reset: () => {
        if (this.#streams.delete(id)) this.#answer({ type: 'rstStream', stream: id, status: resetStatus.cancel });
      },
      done: () => this.#streams.delete(id),
    };
  }

  /** So many bytes of the connection's window were consumed, by any stream. */
  #credit(size: number): void {
    this.#consumed += size;
    if (this.#consumed < windowStep) return;
    this.#answer({ type: 'windowUpdate', stream: 0, delta: this.#consumed });
    this.#consumed = 0;
  }

  #goAway(status: number): void {
    this.#closing = true;
    this.#answer({ type: 'goAway', lastStream: this.#lastStream, status });
  }

  /** Sends without waiting: a reader that waits for the other side to read could block both for ever. */
  #answer(frame: Frame): void {
    if (this.#answers >= maxAnswers) {
      this.#wire.close();
      return;
    }
    this.#answers++;
    this.#send(frame).then(
      () => this.#answers--,
      // The other side has left, which reading shows too.
      () => undefined,
    );
  }

  #send(frame: Frame): Promise<void> {
    return this.#wire.send(this.#encoder.encode(frame));
  }
}
