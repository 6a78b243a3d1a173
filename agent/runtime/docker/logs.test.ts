import fc from 'fast-check';
import { expect, test } from 'vitest';
import { demultiplex } from './logs.ts';

function frame(source: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = source;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

async function* inPieces(bytes: Buffer, cuts: readonly number[]): AsyncIterable<Uint8Array> {
  let from = 0;
  for (const cut of [...cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    if (cut > from) yield bytes.subarray(from, cut);
    from = Math.max(from, cut);
  }
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of demultiplex(chunks)) parts.push(part);
  return Buffer.concat(parts);
}

test('the payload comes out whole and in order, however the stream was cut into pieces', async () => {
  const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat(500), { maxLength: 12 }), async (parts, cuts) => {
      const stream = Buffer.concat(parts.map(([source, payload]) => frame(source, payload)));
      const payload = Buffer.concat(parts.map(([, each]) => each));
      expect((await read(inPieces(stream, cuts))).equals(payload)).toBe(true);
    }),
  );
});

test('the engine’s own words, which have no header, are passed on', async () => {
  const words = 'OCI runtime exec failed: exec failed\r\n';
  const stream = Buffer.concat([frame(1, Buffer.from('out\n')), Buffer.from(words)]);
  expect((await read(inPieces(stream, [3, 12]))).toString()).toBe(`out\n${words}`);
});

test('a record that breaks off is an error, not a short log', async () => {
  const stream = frame(1, Buffer.from('whole')).subarray(0, 10);
  await expect(read(inPieces(stream, []))).rejects.toMatchObject({ code: 'Unavailable' });
});
