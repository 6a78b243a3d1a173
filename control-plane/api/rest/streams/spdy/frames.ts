import { SpdyError } from './error.ts';
import { HeaderDecoder, HeaderEncoder, type Headers } from './headers.ts';

/** The frames of SPDY/3.1 that streams of bytes need. */
export type Frame =
  | { readonly type: 'synStream'; readonly stream: number; readonly headers: Headers; readonly fin: boolean }
  | { readonly type: 'synReply'; readonly stream: number; readonly headers: Headers; readonly fin: boolean }
  | { readonly type: 'headers'; readonly stream: number; readonly headers: Headers; readonly fin: boolean }
  | { readonly type: 'rstStream'; readonly stream: number; readonly status: number }
  /** `initialWindow`: bytes; absent when it is not among the settings. */
  | { readonly type: 'settings'; readonly initialWindow?: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastStream: number; readonly status: number }
  /** Stream 0: the connection as a whole. */
  | { readonly type: 'windowUpdate'; readonly stream: number; readonly delta: number }
  /** A long frame is read in several parts; the last one has `fin`. */
  | { readonly type: 'data'; readonly stream: number; readonly data: Uint8Array; readonly fin: boolean };

/** Of RST_STREAM. */
export const resetStatus = { protocolError: 1, refusedStream: 3, cancel: 5 } as const;
/** Of GOAWAY. */
export const goAwayStatus = { ok: 0, protocolError: 1 } as const;

const version = 3;
const controlBit = 0x8000;
const flagFin = 0x01;
const maxStreamId = 0x7fffffff;
/** The most payload bytes of a control frame. */
const maxControl = 16 * 1024;
const initialWindowSetting = 7;

const codes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Reads frames until the bytes end. Frames of unknown types are left out. Throws SpdyError. */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Frame, void, undefined> {
  const bytes = new ByteReader(chunks);
  const headers = new HeaderDecoder();
  try {
    for (let head = await bytes.exactly(8); head; head = await bytes.exactly(8)) {
      const length = head.readUInt32BE(4) & 0xffffff;
      const flags = head.readUInt8(4);
      const first = head.readUInt16BE(0);
      if (first & controlBit) {
        if ((first & ~controlBit) !== version) throw new SpdyError(`SPDY version ${first & ~controlBit} is not spoken`);
        if (length > maxControl) throw new SpdyError(`a control frame is longer than ${maxControl} bytes`);
        const frame = await controlFrame(head.readUInt16BE(2), flags, await bytes.needed(length), headers);
        if (frame) yield frame;
      } else {
        yield* dataFrames(head.readUInt32BE(0), (flags & flagFin) !== 0, length, bytes);
      }
    }
  } finally {
    headers.close();
    await bytes.close();
  }
}

async function* dataFrames(stream: number, fin: boolean, length: number, bytes: ByteReader): AsyncGenerator<Frame> {
  if (length === 0) yield { type: 'data', stream, data: Buffer.alloc(0), fin };
  for (let left = length; left > 0; ) {
    const data = await bytes.some(left);
    left -= data.length;
    yield { type: 'data', stream, data, fin: fin && left === 0 };
  }
}

async function controlFrame(
  code: number,
  flags: number,
  payload: Buffer,
  headers: HeaderDecoder,
): Promise<Frame | undefined> {
  const fin = (flags & flagFin) !== 0;
  const number = (at: number): number => {
    if (at + 4 > payload.length) throw new SpdyError('a control frame is cut short');
    return payload.readUInt32BE(at);
  };
  const id = (at: number): number => number(at) & maxStreamId;
  const block = (at: number): Promise<Headers> => {
    if (at > payload.length) throw new SpdyError('a control frame is cut short');
    return headers.decode(payload.subarray(at));
  };
  switch (code) {
    case codes.synStream:
      return { type: 'synStream', stream: id(0), headers: await block(10), fin };
    case codes.synReply:
      return { type: 'synReply', stream: id(0), headers: await block(4), fin };
    case codes.headers:
      return { type: 'headers', stream: id(0), headers: await block(4), fin };
    case codes.rstStream:
      return { type: 'rstStream', stream: id(0), status: number(4) };
    case codes.ping:
      return { type: 'ping', id: number(0) };
    case codes.goAway:
      return { type: 'goAway', lastStream: id(0), status: number(4) };
    case codes.windowUpdate:
      return { type: 'windowUpdate', stream: id(0), delta: id(4) };
    case codes.settings: {
      for (let i = 0; i < number(0); i++) {
        if ((number(4 + 8 * i) & 0xffffff) === initialWindowSetting) {
          return { type: 'settings', initialWindow: id(8 + 8 * i) };
        }
      }
      return { type: 'settings' };
    }
    default:
      return undefined;
  }
}

/** Encodes the frames of one connection, which must be sent in the order of encoding. */
export class FrameEncoder {
  readonly #headers = new HeaderEncoder();

  encode(frame: Frame): Buffer {
    switch (frame.type) {
      case 'data':
        return Buffer.concat([frameHead(frame.stream, frame.fin, frame.data.length), frame.data]);
      case 'synStream':
        // No associated stream, priority 0, slot 0.
        return control(
          codes.synStream,
          [frame.stream, 0],
          Buffer.concat([Buffer.alloc(2), this.#headers.encode(frame.headers)]),
          frame.fin,
        );
      case 'synReply':
      case 'headers':
        return control(codes[frame.type], [frame.stream], this.#headers.encode(frame.headers), frame.fin);
      case 'rstStream':
        return control(codes.rstStream, [frame.stream, frame.status]);
      case 'ping':
        return control(codes.ping, [frame.id]);
      case 'goAway':
        return control(codes.goAway, [frame.lastStream, frame.status]);
      case 'windowUpdate':
        return control(codes.windowUpdate, [frame.stream, frame.delta]);
      case 'settings': {
        const { initialWindow } = frame;
        return control(codes.settings, initialWindow === undefined ? [0] : [1, initialWindowSetting, initialWindow]);
      }
    }
  }
}

function control(code: number, numbers: readonly number[], rest: Buffer = Buffer.alloc(0), fin = false): Buffer {
  const payload = Buffer.alloc(4 * numbers.length);
  for (const [i, number] of numbers.entries()) payload.writeUInt32BE(number, 4 * i);
  const head = frameHead(((controlBit | version) * 0x10000 + code) >>> 0, fin, payload.length + rest.length);
  return Buffer.concat([head, payload, rest]);
}

function frameHead(first: number, fin: boolean, length: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(first, 0);
  head.writeUInt32BE(length, 4);
  head.writeUInt8(fin ? flagFin : 0, 4);
  return head;
}

/** Reads given numbers of bytes from chunks of any size. */
class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** The next `count` bytes; undefined at the end. Throws when the end comes before all of them. */
  async exactly(count: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      const part = await this.#next(missing);
      if (!part && missing === count) return undefined;
      if (!part) throw new SpdyError('the connection ended amid a frame');
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  async needed(count: number): Promise<Buffer> {
    const bytes = await this.exactly(count);
    if (!bytes) throw new SpdyError('the connection ended amid a frame');
    return bytes;
  }

  /** At least one and at most `limit` of the next bytes. */
  async some(limit: number): Promise<Uint8Array> {
    const part = await this.#next(limit);
    if (!part) throw new SpdyError('the connection ended amid a frame');
    return part;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(limit: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const part = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }
}
