import { constants, createDeflate, type Deflate } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressionDictionary } from './dictionary.ts';
import { SpdyError } from './error.ts';
import { decodeFrames, type Frame, FrameEncoder } from './frames.ts';

const id = fc.integer({ min: 1, max: 0x7fffffff });
const word = fc.string({ minLength: 1, maxLength: 30 }).map((text) => text.toLowerCase());
const headers = fc.array(fc.tuple(word, fc.string({ maxLength: 60 })), { maxLength: 6 }).map((pairs) => new Map(pairs));
const data = fc.uint8Array({ maxLength: 300 });
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('synStream' as const), stream: id, headers, fin: fc.boolean() }),
  fc.record({ type: fc.constant('synReply' as const), stream: id, headers, fin: fc.boolean() }),
  fc.record({ type: fc.constant('headers' as const), stream: id, headers, fin: fc.boolean() }),
  fc.record({ type: fc.constant('rstStream' as const), stream: id, status: fc.integer({ min: 1, max: 11 }) }),
  fc.record({ type: fc.constant('settings' as const), initialWindow: id }),
  fc.record({ type: fc.constant('ping' as const), id }),
  fc.record({ type: fc.constant('goAway' as const), lastStream: id, status: fc.constantFrom(0, 1) }),
  fc.record({ type: fc.constant('windowUpdate' as const), stream: id, delta: id }),
  fc.record({ type: fc.constant('data' as const), stream: id, data, fin: fc.boolean() }),
);

async function* chunked(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length > 0 ? (sizes[i % sizes.length] ?? 1) : bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function decoded(chunks: AsyncIterable<Uint8Array>): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of decodeFrames(chunks)) frames.push(frame);
  return frames;
}

/** Data frames that were read in pieces put together again. */
function joined(frames: readonly Frame[]): Frame[] {
  const whole: Frame[] = [];
  for (const frame of frames) {
    const last = whole.at(-1);
    const goesOn = frame.type === 'data' && last?.type === 'data' && last.stream === frame.stream && !last.fin;
    if (goesOn) whole[whole.length - 1] = { ...frame, data: Buffer.concat([last.data, frame.data]) };
    else whole.push(frame.type === 'data' ? { ...frame, data: Buffer.from(frame.data) } : frame);
  }
  return whole;
}

describe("SPDY's frames", () => {
  it('are decoded from chunks of any size', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), sizes, async (frames, pieces) => {
        const encoder = new FrameEncoder();
        const bytes = Buffer.concat(frames.map((frame) => encoder.encode(frame)));
        expect(joined(await decoded(chunked(bytes, pieces)))).toEqual(joined(frames));
      }),
      { numRuns: 200 },
    );
  });

  it('are read with headers that a client has compressed as one stream', async () => {
    const deflate = createDeflate({ dictionary: compressionDictionary(), flush: constants.Z_SYNC_FLUSH });
    const frames: Buffer[] = [];
    for (const [i, name] of ['stdin', 'stdout', 'stderr'].entries()) {
      frames.push(synStream(2 * i + 1, await compressed(deflate, headerBlock('StreamType', name))));
    }
    const found = await decoded(chunked(Buffer.concat(frames), [7]));
    expect(found.map((frame) => frame.type === 'synStream' && [frame.stream, frame.headers.get('streamtype')])).toEqual(
      [
        [1, 'stdin'],
        [3, 'stdout'],
        [5, 'stderr'],
      ],
    );
  });

  it('of unknown types are left out', async () => {
    const unknown = Buffer.from([0x80, 3, 0, 10, 0, 0, 0, 2, 1, 2]);
    const ping: Frame = { type: 'ping', id: 1 };
    const bytes = Buffer.concat([unknown, new FrameEncoder().encode(ping)]);
    expect(await decoded(chunked(bytes, []))).toEqual([ping]);
  });

  it('that are invalid throw SpdyError, whatever the bytes', async () => {
    const control = fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 60 }))
      .map(([type, payload]) => Buffer.from([0x80, 3, 0, type, 0, 0, 0, payload.length, ...payload]));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(control).map((some) => Buffer.concat(some)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (hostile) => {
        const outcome = await decoded(chunked(hostile, [13])).catch((error: unknown) => error);
        expect(Array.isArray(outcome) || outcome instanceof SpdyError, String(outcome)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('cannot make a small header block a large one', async () => {
    const deflate = createDeflate({ dictionary: compressionDictionary(), flush: constants.Z_SYNC_FLUSH });
    const bomb = await compressed(deflate, Buffer.alloc(8 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(16 * 1024);
    await expect(decoded(chunked(synStream(1, bomb), []))).rejects.toThrow('longer than');
  });

  it('cannot end the stream of header blocks', async () => {
    // An empty last block.
    const ended = Buffer.concat([
      Buffer.from([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]),
      Buffer.from([1, 0, 0, 0xff, 0xff]),
    ]);
    const trailing = Buffer.concat([ended, Buffer.from([0, 0, 0, 1]), Buffer.alloc(8)]);
    await expect(decoded(chunked(synStream(1, trailing), []))).rejects.toThrow(SpdyError);
  });
});

function synStream(stream: number, block: Buffer): Buffer {
  const head = Buffer.alloc(18);
  head.writeUInt32BE(0x80030001, 0);
  head.writeUInt32BE(10 + block.length, 4);
  head.writeUInt32BE(stream, 8);
  return Buffer.concat([head, block]);
}

function headerBlock(name: string, value: string): Buffer {
  const sized = (text: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return Buffer.concat([length, Buffer.from(text)]);
  };
  return Buffer.concat([Buffer.from([0, 0, 0, 1]), sized(name), sized(value)]);
}

function compressed(deflate: Deflate, block: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const onData = (chunk: Buffer): void => void chunks.push(chunk);
  deflate.on('data', onData);
  return new Promise((resolve) =>
    deflate.write(block, () => {
      deflate.off('data', onData);
      resolve(Buffer.concat(chunks));
    }),
  );
}
